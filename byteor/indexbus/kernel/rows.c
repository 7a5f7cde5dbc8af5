/* Metrics rows of workers and lanes, and the stamps by which latency is sampled. */
#include "core.h"

static uint64_t *ib_field(const ib_party *p, unsigned field) { return (uint64_t *)(p->row + field); }

void ib_row_add(ib_party *p, unsigned field, uint64_t n) {
    if (!p->row || !n) return;
    uint64_t *word = ib_field(p, field);
    __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void ib_row_max(ib_party *p, unsigned field, uint64_t n) {
    if (!p->row) return;
    uint64_t *word = ib_field(p, field);
    if (__atomic_load_n(word, __ATOMIC_RELAXED) < n) __atomic_store_n(word, n, __ATOMIC_RELAXED);
}

/* A lane's row has as many writers as the lane: with one a plain store is enough. */
static void ib_lane_add(ib_party *p, unsigned field, uint64_t n) {
    uint64_t *word = (uint64_t *)(p->lane_row + field);
    if (p->mpsc) __atomic_fetch_add(word, n, __ATOMIC_RELAXED);
    else __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* After n messages were published from `first` on: how many, and how many lie in the lane now (one look at the slowest reader). */
void ib_lane_batch(ib_party *p, uint64_t first, uint64_t n) {
    if (IB_UNLIKELY(p->turns != NULL)) ib_turns_add(p->turns, first, (int64_t)n);
    if (!p->lane_row) return;
    ib_lane_add(p, IB_METRICS_ROW_IN, n);
    uint64_t depth = 0, *most = (uint64_t *)(p->lane_row + IB_METRICS_ROW_HIGH_WATER);
    for (int i = 0; i < p->watched; i++) {
        uint64_t behind = p->next - ib_load(&p->watch[i]->value);
        if ((int64_t)behind > (int64_t)depth && behind <= p->capacity) depth = behind;
    }
    uint64_t seen = __atomic_load_n(most, __ATOMIC_RELAXED);
    while (seen < depth && !__atomic_compare_exchange_n(most, &seen, depth, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

/* Messages that will never lie in this lane, by cause (a row's field); the worker's row and the lane's say so. */
void ib_dropped(ib_party *p, unsigned cause, uint64_t n) {
    if (!n) return;
    if (IB_UNLIKELY(p->turns != NULL)) ib_turns_add(p->turns, 0, -(int64_t)n);
    ib_row_add(p, IB_METRICS_ROW_DROPPED, n);
    ib_row_add(p, cause, n);
    if (!p->lane_row) return;
    ib_lane_add(p, IB_METRICS_ROW_DROPPED, n);
    ib_lane_add(p, cause, n);
}

void ib_row_tick(ib_party *p, uint64_t now) {
    p->ticked_ns = now;
    p->since_clock = 0;
    if (!p->row) return;
    __atomic_store_n(ib_field(p, IB_METRICS_ROW_IDLE_NS), p->idle_ns, __ATOMIC_RELAXED);
    __atomic_store_n(ib_field(p, IB_METRICS_ROW_BUSY_NS), now - p->started_ns - p->idle_ns, __ATOMIC_RELAXED);
    __atomic_store_n(ib_field(p, IB_METRICS_ROW_HEARTBEAT_NS), now, __ATOMIC_RELEASE);
}

void ib_row_batch(ib_party *p, uint64_t in, uint64_t out, uint64_t filtered) {
    if (!p->row) return;
    ib_row_add(p, IB_METRICS_ROW_IN, in);
    ib_row_add(p, IB_METRICS_ROW_OUT, out);
    ib_row_add(p, IB_METRICS_ROW_FILTERED, filtered);
    ib_row_add(p, IB_METRICS_ROW_BATCHES, 1);
    ib_row_max(p, IB_METRICS_ROW_BATCH_MAX, in);
    /* A worker that never waits must show signs of life too; a clock a batch would be too dear. */
    p->since_clock += in + 64;
    if (p->since_clock >= 65536) ib_row_tick(p, ib_clock_ns());
}

static unsigned ib_stamp_at(uint64_t s) { return (unsigned)((s ^ (s >> 6) ^ (s >> 12)) & (IB_STAMPS - 1)); }

uint64_t ib_stamp_of(const ib_party *p, uint64_t sequence) {
    const ib_stamp *stamp = p->stamps + ib_stamp_at(sequence);
    if (ib_load(&stamp->sequence) != sequence) return 0;
    uint64_t stamped = ib_load(&stamp->time_ns);
    return ib_load(&stamp->sequence) == sequence ? stamped : 0;
}

void ib_row_latency(ib_party *p, uint64_t sequence) {
    if (!p->row) return;
    uint64_t stamped = ib_stamp_of(p, sequence), now = ib_clock_ns();
    if (!stamped || now < stamped) return;
    uint64_t ns = now - stamped;
    unsigned bits = ns ? 64u - (unsigned)__builtin_clzll(ns) : 0u;
    ib_row_add(p, IB_METRICS_ROW_HISTOGRAM + 8 * (bits < IB_HISTOGRAM_BUCKETS ? bits : IB_HISTOGRAM_BUCKETS - 1), 1);
    ib_row_add(p, IB_METRICS_ROW_LATENCY_NS, ns);
}

void ib_stamp_with(ib_party *p, uint64_t sequence, uint64_t time_ns) {
    ib_stamp *stamp = p->stamps + ib_stamp_at(sequence);
    /* Invalid while it changes, so that a reader of the old stamp does not pair it with the new time. */
    __atomic_store_n(&stamp->sequence, ~sequence, __ATOMIC_RELAXED);
    __atomic_store_n(&stamp->time_ns, time_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&stamp->sequence, sequence, __ATOMIC_RELEASE);
    ib_at(p, sequence)->flags |= IB_STAMPED;
}

void ib_stamp_slot(ib_party *p, uint64_t sequence) {
    uint64_t now = ib_clock_ns();
    if (now - p->stamped_ns > 1000000) p->stamp_every = 1;
    else if (p->stamp_every < 256) p->stamp_every *= 2;
    p->stamped_ns = now;
    ib_stamp_with(p, sequence, now);
    if (p->row && now - p->ticked_ns >= (uint64_t)IB_TICK_NS) ib_row_tick(p, now);
}
