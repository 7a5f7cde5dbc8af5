/* The two ends of a graph that need nobody outside: messages are made, by number or by key, and discarded. */
#include "work.h"

#include <string.h>

static void count_up(uint8_t *digits) {
    for (int i = 15; i >= 0; i--) {
        if (IB_LIKELY(digits[i] != '9')) {
            digits[i]++;
            return;
        }
        digits[i] = '0';
    }
}

/* One message: its number in 16 digits, then text from a place that depends on the number. */
static inline void make(ib_job *j, ib_slot *slot) {
    uint64_t size = j->size;
    slot->length = (uint32_t)size;
    slot->flags = 0;
    slot->ingress = 0;
    slot->origin = j->next;
    if (IB_LIKELY(size == 64)) {
        memcpy(slot->payload, j->digits, 16);
        memcpy(slot->payload + 16, j->text + j->text_at, 48);
    } else if (size <= 16) {
        memcpy(slot->payload, j->digits + 16 - size, size);
    } else {
        memcpy(slot->payload, j->digits, 16);
        memcpy(slot->payload + 16, j->text + j->text_at, size - 16);
    }
    j->next++;
    count_up(j->digits);
    j->text_at += 7919;
    if (j->text_at >= j->period) j->text_at -= j->period;
}

/* A message that is made all the same, and lost. */
static void make_in_vain(ib_job *j, ib_party *tx, ib_tally *t) {
    union {
        ib_slot slot;
        uint8_t bytes[IB_SLOT_BYTES + 16];
    } none;
    uint64_t size = j->size;
    j->size = 1;
    make(j, &none.slot);
    j->size = size;
    ib_job_lose(j, tx, t, 1);
}

/* The lane of the next message, by the bytes of its key: digits first, then text, as make() lays them. */
static int lane_of_next(const ib_job *j) {
    const uint8_t *digits = j->size < 16 ? j->digits + 16 - j->size : j->digits;
    uint64_t at = j->key_at, end = at + j->key_length, split = j->size < 16 ? j->size : 16;
    uint64_t middle = end < split ? end : at > split ? at : split;
    uint32_t crc = middle > at ? ib_crc32c(0, digits + at, (size_t)(middle - at)) : 0;
    if (end > middle) crc = ib_crc32c(crc, j->text + j->text_at + (middle - 16), (size_t)(end - middle));
    return (int)(crc % (uint32_t)j->txs);
}

/* Messages up to `last`, each to the lane of its key, as far as there is room. */
static int generate_by_key(ib_job *j, uint64_t last, ib_tally *t) {
    uint64_t first[IB_MOST_LANES], room[IB_MOST_LANES] = {0}, used[IB_MOST_LANES] = {0};
    int code = IB_OK;
    while (j->next < last) {
        int k = lane_of_next(j);
        ib_party *tx = j->tx[k];
        if (used[k] == room[k]) {
            if (used[k]) {
                ib_maybe_stamp(tx, first[k], used[k]);
                ib_job_hand_on(j, k, first[k], used[k], room[k]);
            }
            used[k] = 0;
            room[k] = ib_job_reserve(tx, tx->mpsc ? 1 : last - j->next, &code);
            first[k] = tx->next;
            if (code || (!room[k] && !j->drop)) break;
            if (!room[k]) {
                make_in_vain(j, tx, t);
                continue;
            }
        }
        make(j, ib_at(tx, first[k] + used[k]++));
        t->out++;
    }
    for (int k = 0; k < j->txs; k++) {
        if (!used[k]) continue;
        ib_maybe_stamp(j->tx[k], first[k], used[k]);
        ib_job_hand_on(j, k, first[k], used[k], room[k]);
    }
    return code;
}

int64_t ib_step_generate(ib_worker *w, ib_job *j) {
    uint64_t start = j->next, last = start + w->max_batch;
    int lanes = j->txs, code = IB_OK;
    ib_tally t = {0, 0, 0, 0, 0, 0};
    if (j->count && last > j->count) last = j->count;
    for (int k = 0; k < lanes; k++)
        if (__atomic_load_n(&j->tx[k]->stop, __ATOMIC_RELAXED)) last = start;
    if (last <= start) {
        j->finished[0] = 1;
        return 0;
    }
    if (j->keyed) code = generate_by_key(j, last, &t);
    while (!j->keyed && j->next < last) {
        int lane = (int)(j->next % (uint64_t)lanes);
        ib_party *tx = j->tx[lane];
        /* With several lanes messages go round, one each. */
        uint64_t room = ib_job_reserve(tx, lanes == 1 ? last - j->next : 1, &code), first = tx->next, used = 0;
        if (code) return -code;
        if (!room && !j->drop) break;
        if (!room) {
            make_in_vain(j, tx, &t);
            continue;
        }
        while (used < room) make(j, ib_at(tx, first + used++));
        ib_maybe_stamp(tx, first, used);
        ib_job_hand_on(j, lane, first, used, room);
        t.out += used;
    }
    t.in = j->next - start;
    ib_job_count(j, &t);
    return code ? -code : (int64_t)(j->next - start);
}

int64_t ib_step_discard(ib_worker *w, ib_job *j) {
    int64_t moved = 0;
    for (int i = 0; i < j->rxs; i++) {
        ib_party *rx = j->rx[i];
        ib_tally t = {0, 0, 0, 0, 0, 0};
        uint64_t n, marks = 0, skipped = 0, stamped = 0;
        int code = ib_job_look(j, i, rx->next, &n), any_stamp = 0;
        if (code != IB_OK) return -code;
        if (n > w->max_batch) n = w->max_batch;
        if (!n) continue;
        for (uint64_t k = 0; k < n; k++) {
            uint16_t flags = ib_at(rx, rx->next + k)->flags;
            if (IB_LIKELY(!flags)) continue;
            marks += (flags & IB_WATERMARK) != 0;
            t.aborted += (flags & IB_ABORTED) != 0;
            skipped += (flags & IB_SKIP) != 0;
            if (flags & IB_STAMPED && !(flags & IB_SKIP)) {
                stamped = rx->next + k;
                any_stamp = 1;
            }
        }
        if (any_stamp && j->row) t.stamped_ns = ib_stamp_of(rx, stamped);
        ib_publish(rx, rx->next + n);
        t.in = n - marks;
        t.out = n - skipped;
        ib_job_count(j, &t);
        moved += (int64_t)n;
    }
    return moved;
}
