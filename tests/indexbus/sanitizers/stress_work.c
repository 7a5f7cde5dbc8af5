/* Workers under sanitizers: a generator, a router, two branches (one through a lane of many producers), a merge in
 * order and a sink, in one thread and spread over four; counters start near 2^64. Prints `ok` and the messages. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "work.h"

#define CAPACITY 32
#define ROOM 48
#define STRIDE 64
#define START (UINT64_MAX - 1000)
#define LANES 6
#define JOBS 6

typedef struct {
    ib_cell cells[2]; /* tail, head */
    uint8_t slots[CAPACITY * STRIDE] __attribute__((aligned(64)));
    ib_stream stream __attribute__((aligned(64)));
    ib_stamp stamps[IB_STAMPS];
    ib_peer peers[4] __attribute__((aligned(64)));
    uint64_t markers[CAPACITY] __attribute__((aligned(64)));
} lane;

static uint64_t messages;
static int fd;
static const char text[8192 + 64] = "text behind the number";

static void must(int ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "wrong: %s\n", what);
    abort();
}

static ib_party *party(lane *l, int producer, int shared, int strategy) {
    ib_party *p = calloc(1, sizeof *p);
    p->slots = l->slots;
    p->mask = CAPACITY - 1;
    p->capacity = CAPACITY;
    p->stride = STRIDE;
    p->slot_bytes = ROOM;
    p->stream = &l->stream;
    p->cursor = &l->cells[0];
    p->stamps = l->stamps;
    p->peers = l->peers;
    p->peer_count = 4;
    p->self = producer;
    p->fd = fd;
    p->strategy = strategy;
    p->watch[0] = &l->cells[producer];
    p->own[0] = &l->cells[!producer];
    p->watched = p->owned = 1;
    p->lead = producer ? CAPACITY : 0;
    p->mpsc = shared;
    p->markers = shared ? l->markers : NULL;
    p->next = p->limit = ib_load(&p->own[0]->value);
    if (shared && producer) p->limit = p->next - CAPACITY;
    p->stamp_every = 1;
    p->fence = ib_register_fence();
    return p;
}

static lane *fresh(void) {
    lane *l = aligned_alloc(64, sizeof(lane));
    memset(l, 0, sizeof *l);
    l->cells[0].value = l->cells[1].value = START;
    for (int i = 0; i < CAPACITY; i++) l->markers[i] = START;
    return l;
}

static void end(ib_job *j) {
    for (int i = 0; i < j->txs; i++) {
        __atomic_store_n(&j->tx[i]->stream->state, IB_CLOSED, __ATOMIC_RELEASE);
        ib_wake(j->tx[i]->cursor);
        ib_wake(j->tx[i]->watch[0]);
    }
}

static void *run(void *arg) {
    ib_worker *w = arg;
    for (;;) {
        int code = ib_work(w);
        if (code == IB_TICK) continue;
        if (code == IB_JOB_ENDED) {
            end(w->jobs + w->at);
            continue;
        }
        must(code == IB_FINISHED, "worker");
        return NULL;
    }
}

static uint8_t rows[JOBS + LANES][IB_METRICS_ROW_BYTES] __attribute__((aligned(64)));
static uint64_t field(int row, unsigned at) { return *(uint64_t *)(rows[row] + at); }

static void graph(int strategy, const int *groups, int threads) {
    lane *l[LANES];
    ib_party *in[LANES], *out[LANES];
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < LANES; i++) {
        l[i] = fresh();
        in[i] = party(l[i], 1, i == 2, strategy);
        out[i] = party(l[i], 0, i == 2, strategy);
        in[i]->lane_row = rows[JOBS + i];
    }
    ib_job jobs[JOBS];
    memset(jobs, 0, sizeof jobs);
    jobs[0] = (ib_job){.step = ib_step_generate, .tx = {in[0]}, .txs = 1, .count = messages, .size = 32, .text = (const uint8_t *)text, .period = 8192};
    jobs[1] = (ib_job){.step = ib_step_route, .rx = {out[0]}, .rxs = 1, .tx = {in[1], in[2]}, .txs = 2, .marks = 1};
    jobs[2] = (ib_job){.step = ib_step_route, .rx = {out[1]}, .rxs = 1, .tx = {in[3]}, .txs = 1, .marks = 1};
    jobs[3] = (ib_job){.step = ib_step_route, .rx = {out[2]}, .rxs = 1, .tx = {in[4]}, .txs = 1, .marks = 1};
    jobs[4] = (ib_job){.step = ib_step_merge, .rx = {out[3], out[4]}, .rxs = 2, .tx = {in[5]}, .txs = 1, .ordered = 1};
    jobs[5] = (ib_job){.step = ib_step_discard, .rx = {out[5]}, .rxs = 1};
    for (int i = 0; i < JOBS; i++) {
        jobs[i].row = rows[i];
        ib_job_begin(jobs + i);
    }
    ib_worker workers[JOBS];
    pthread_t thread[JOBS];
    for (int i = 0, at = 0; i < threads; at += groups[i++]) {
        workers[i] = (ib_worker){.jobs = jobs + at, .job_count = groups[i], .max_batch = 7, .strategy = strategy};
        pthread_create(&thread[i], NULL, run, &workers[i]);
    }
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    must(field(5, IB_METRICS_ROW_OUT) == 2 * messages, "messages at the end");
    for (int i = 0; i < JOBS; i++) must(field(i, IB_METRICS_ROW_DROPPED) == 0, "drops");
    must(field(JOBS + 2, IB_METRICS_ROW_IN) == messages, "the lane's row");
    for (int i = 0; i < LANES; i++) {
        free(l[i]);
        free(in[i]);
        free(out[i]);
    }
}

int main(int argc, char **argv) {
    messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    fd = open("/dev/null", O_RDWR);
    for (int strategy = IB_YIELD; strategy <= IB_BLOCK; strategy++) {
        graph(strategy, (int[]){6}, 1);
        graph(strategy, (int[]){1, 1, 1, 1, 1, 1}, 6);
        graph(strategy, (int[]){2, 1, 2, 1}, 4);
    }
    printf("ok %lu\n", (unsigned long)messages);
    return 0;
}
