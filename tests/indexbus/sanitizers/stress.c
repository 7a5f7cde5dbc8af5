/* The kernel's algorithms in threads of one process, for sanitizers: a ring with two native stages and an egress,
 * and a lane with three claimants; counters start near 2^64. Prints `ok` and the number of messages. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core.h"

#define CAPACITY 64
#define ROOM 48
#define STRIDE 64
#define START (UINT64_MAX - 1000)

typedef struct {
    ib_cell cells[8];
    uint8_t slots[CAPACITY * STRIDE] __attribute__((aligned(64)));
    ib_stream stream __attribute__((aligned(64)));
    ib_stamp stamps[IB_STAMPS];
    ib_peer peers[8] __attribute__((aligned(64)));
    uint64_t markers[CAPACITY] __attribute__((aligned(64)));
} lane;

static uint64_t messages;
static int wait_strategy, fd;

static ib_party party(lane *l, int self, ib_cell *watch, ib_cell *own, uint64_t lead, int mpsc) {
    ib_party p;
    memset(&p, 0, sizeof p);
    p.slots = l->slots;
    p.mask = CAPACITY - 1;
    p.capacity = CAPACITY;
    p.stride = STRIDE;
    p.slot_bytes = ROOM;
    p.stream = &l->stream;
    p.cursor = &l->cells[0];
    p.stamps = l->stamps;
    p.peers = l->peers;
    p.peer_count = 8;
    p.self = self;
    p.fd = fd;
    p.strategy = wait_strategy;
    p.watch[0] = watch;
    p.watched = 1;
    p.own[0] = own;
    p.owned = 1;
    p.lead = lead;
    p.mpsc = mpsc;
    p.markers = mpsc ? l->markers : NULL;
    p.next = p.limit = ib_load(&own->value);
    if (mpsc && lead) p.limit = p.next - CAPACITY;
    p.stamp_every = 1;
    p.fence = ib_register_fence();
    return p;
}

static void must(int ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "wrong: %s\n", what);
    abort();
}

static void *produce(void *arg) {
    lane *l = arg;
    ib_party p = party(l, 0, &l->cells[3], &l->cells[0], CAPACITY, 0);
    for (uint64_t sent = 0; sent < messages;) {
        int code;
        uint64_t n = ib_available(&p, messages - sent < 7 ? messages - sent : 7, -1, &code);
        if (code == IB_TICK) continue;
        must(code == IB_OK, "producer");
        for (uint64_t i = 0; i < n; i++) {
            ib_slot *slot = ib_at(&p, p.next + i);
            slot->flags = 0;
            slot->length = 8;
            slot->origin = p.next + i;
            uint64_t value = sent + i;
            memcpy(slot->payload, &value, 8);
        }
        ib_maybe_stamp(&p, p.next, n);
        ib_publish(&p, p.next + n);
        sent += n;
    }
    __atomic_store_n(&l->stream.state, IB_CLOSED, __ATOMIC_RELEASE);
    for (int i = 0; i < 4; i++) ib_wake(&l->cells[i]);
    return NULL;
}

static void run(lane *l, int index, const char *name) {
    ib_party p = party(l, 1 + index, &l->cells[index], &l->cells[index + 1], 0, 0);
    static uint8_t rows[3][IB_METRICS_ROW_BYTES] __attribute__((aligned(64)));
    p.row = rows[index];
    ib_param none = {(const uint8_t *)"", 0};
    for (int i = 0; i < ib_stage_count; i++) {
        if (strcmp(ib_stages[i].name, name)) continue;
        int code;
        while ((code = ib_run_stage(&p, ib_stages[i].handle, &none, 16)) == IB_TICK) {}
        must(code == IB_FINISHED, name);
    }
}
static void *append(void *arg) { run(arg, 0, "crc32c_append"); return NULL; }
static void *check(void *arg) { run(arg, 1, "crc32c_check"); return NULL; }

static void *finish(void *arg) {
    lane *l = arg;
    ib_party p = party(l, 3, &l->cells[2], &l->cells[3], 0, 0);
    uint64_t seen = 0;
    for (;;) {
        int code;
        uint64_t n = ib_available(&p, 16, -1, &code);
        if (code == IB_TICK) continue;
        if (code == IB_FINISHED) break;
        must(code == IB_OK, "egress");
        for (uint64_t i = 0; i < n; i++, seen++) {
            ib_slot *slot = ib_at(&p, p.next + i);
            uint64_t value;
            memcpy(&value, slot->payload, 8);
            must(slot->length == 12 && value == seen, "order");
        }
        ib_publish(&p, p.next + n);
    }
    must(seen == messages, "count");
    return NULL;
}

typedef struct { lane *l; int self; } claimant;

static void *claim(void *arg) {
    claimant *c = arg;
    ib_party p = party(c->l, c->self, &c->l->cells[1], &c->l->cells[0], CAPACITY, 1);
    for (uint64_t sent = 0; sent < messages;) {
        uint64_t want = messages - sent < 5 ? messages - sent : 5, n = ib_mpsc_claim(&p, want);
        if (!n) {
            uint64_t head = p.limit;
            p.next = ib_load(&p.cursor->value);
            int code = ib_await(&p, p.next + 1, -1);
            must(code == IB_OK || code == IB_TICK, "claimant");
            p.limit = head;
            continue;
        }
        uint64_t first = p.next;
        for (uint64_t i = 0; i < n; i++) {
            ib_slot *slot = ib_at(&p, first + i);
            uint64_t value = sent + i;
            slot->flags = 0;
            slot->length = 8;
            slot->ingress = (uint16_t)c->self;
            memcpy(slot->payload, &value, 8);
        }
        ib_mpsc_publish(&p, first, n);
        sent += n;
    }
    return NULL;
}

static void *collect(void *arg) {
    lane *l = arg;
    ib_party p = party(l, 0, &l->cells[0], &l->cells[1], 0, 1);
    uint64_t seen[8] = {0}, left = 3 * messages;
    while (left) {
        int code;
        uint64_t n = ib_available(&p, left, -1, &code);
        if (code == IB_TICK) continue;
        must(code == IB_OK, "collector");
        for (uint64_t i = 0; i < n; i++) {
            ib_slot *slot = ib_at(&p, p.next + i);
            uint64_t value;
            memcpy(&value, slot->payload, 8);
            must(value == seen[slot->ingress]++, "order of a producer");
        }
        ib_publish(&p, p.next + n);
        left -= n;
    }
    return NULL;
}

static lane *fresh(void) {
    lane *l = aligned_alloc(64, sizeof(lane));
    memset(l, 0, sizeof *l);
    for (int i = 0; i < 8; i++) l->cells[i].value = START;
    for (int i = 0; i < CAPACITY; i++) l->markers[i] = START;
    return l;
}

int main(int argc, char **argv) {
    messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    fd = open("/dev/null", O_RDWR);
    for (wait_strategy = IB_YIELD; wait_strategy <= IB_BLOCK; wait_strategy++) {
        pthread_t threads[4];
        void *(*ring[4])(void *) = {produce, append, check, finish};
        lane *l = fresh();
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, ring[i], l);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        free(l);
        l = fresh();
        claimant claimants[3] = {{l, 1}, {l, 2}, {l, 3}};
        for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, claim, &claimants[i]);
        pthread_create(&threads[3], NULL, collect, l);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        free(l);
    }
    printf("ok %lu\n", (unsigned long)messages);
    return 0;
}
