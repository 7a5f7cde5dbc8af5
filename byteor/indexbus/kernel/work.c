/* The steps of jobs that only move messages. See work.h. Where messages begin and end: ends.c. */
#include "work.h"

#include <string.h>

static void add(uint8_t *row, unsigned field, uint64_t n) {
    uint64_t *word = (uint64_t *)(row + field);
    if (n) __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void ib_job_count(ib_job *j, const ib_tally *t) {
    uint8_t *row = j->row;
    if (!row || !(t->in | t->out | t->lost)) return;
    uint64_t most = t->in > t->out ? t->in : t->out, *seen = (uint64_t *)(row + IB_METRICS_ROW_BATCH_MAX);
    add(row, IB_METRICS_ROW_IN, t->in);
    add(row, IB_METRICS_ROW_OUT, t->out);
    add(row, IB_METRICS_ROW_FILTERED, t->filtered);
    add(row, IB_METRICS_ROW_DROPPED, t->aborted + t->lost);
    add(row, IB_METRICS_ROW_DROPPED_ABORTED, t->aborted);
    add(row, IB_METRICS_ROW_DROPPED_FULL, t->lost);
    add(row, IB_METRICS_ROW_BATCHES, 1);
    if (__atomic_load_n(seen, __ATOMIC_RELAXED) < most) __atomic_store_n(seen, most, __ATOMIC_RELAXED);
    if (!t->stamped_ns) return;
    uint64_t now = j->now_ns = ib_clock_ns(), ns = now > t->stamped_ns ? now - t->stamped_ns : 0;
    unsigned bits = ns ? 64u - (unsigned)__builtin_clzll(ns) : 0u;
    add(row, IB_METRICS_ROW_HISTOGRAM + 8 * (bits < IB_HISTOGRAM_BUCKETS ? bits : IB_HISTOGRAM_BUCKETS - 1), 1);
    add(row, IB_METRICS_ROW_LATENCY_NS, ns);
}

void ib_job_begin(ib_job *j) {
    for (int i = 0; i < j->txs; i++)
        if (j->rxs) j->at[i] = j->rx[0]->next;
    memset(j->digits, '0', sizeof j->digits);
}

int ib_job_look(ib_job *j, int i, uint64_t from, uint64_t *ready) {
    ib_party *p = j->rx[i];
    *ready = 0;
    if (IB_UNLIKELY(__atomic_load_n(&p->stream->state, __ATOMIC_RELAXED) & IB_ABORTED_STREAM)) return IB_ABORTED_END;
    if (IB_UNLIKELY(__atomic_load_n(&p->stop, __ATOMIC_RELAXED))) return IB_STOPPED;
    if (p->limit == from) {
        int code = j->finished[i] ? IB_FINISHED : ib_await(p, from + 1, 0);
        if (code == IB_FINISHED) j->finished[i] = 1;
        if (code != IB_OK) return code == IB_FINISHED || code == IB_TIMEOUT ? IB_OK : code;
    }
    *ready = p->limit - from;
    return IB_OK;
}

static inline void see(ib_job *j, int i, uint64_t origin) {
    if (origin + 1 > j->floor[i]) j->floor[i] = origin + 1;
}

/* Messages that a full lane loses. */
void ib_job_lose(ib_job *j, ib_party *tx, ib_tally *t, uint64_t n) {
    (void)j;
    ib_dropped(tx, IB_METRICS_ROW_DROPPED_FULL, n);
    t->lost += n;
}

ib_slot *ib_job_claim(ib_party *tx, int *code) {
    uint64_t room = ib_free(tx, code);
    if (room && tx->mpsc) {
        room = ib_mpsc_claim(tx, 1);
        if (room == UINT64_MAX) *code = IB_CORRUPT;
        if (room != 1) room = 0;
    }
    *code = ib_job_unusable(*code);
    return room && !*code ? ib_at(tx, tx->next) : NULL;
}

void ib_job_publish(ib_party *tx) {
    if (tx->mpsc) ib_mpsc_publish(tx, tx->next, 1);
    else ib_publish(tx, tx->next + 1);
}

/* Watermarks to the lanes whose readers do not know of `floor` (an origin plus one) yet; a full lane is told later. */
int64_t ib_job_tell(ib_job *j, uint64_t floor) {
    int64_t told = 0;
    if (!j->marks || !floor) return 0;
    for (int i = 0; i < j->txs; i++) {
        int code;
        if (j->told[i] >= floor) continue;
        ib_slot *slot = ib_job_claim(j->tx[i], &code);
        if (code) return -code;
        if (!slot) continue;
        slot->length = 0;
        slot->flags = IB_WATERMARK;
        slot->ingress = 0;
        slot->origin = floor - 1;
        ib_job_publish(j->tx[i]);
        j->told[i] = floor;
        told++;
    }
    return told;
}

static inline int fill(ib_job *j, const ib_party *rx, const ib_slot *from, uint64_t sequence, ib_party *tx, uint64_t at, ib_tally *t) {
    ib_slot *to = ib_at(tx, at);
    uint32_t length = __atomic_load_n(&from->length, __ATOMIC_RELAXED); /* once: see ib_length */
    if (IB_UNLIKELY(length > rx->slot_bytes)) return IB_CORRUPT;
    if (IB_UNLIKELY(length > tx->slot_bytes)) {
        j->failed_length = length;
        j->failed_limit = tx->slot_bytes;
        return IB_TOO_LONG;
    }
    to->length = length;
    to->flags = 0;
    to->ingress = from->ingress;
    to->origin = from->origin;
    ib_copy(to->payload, from->payload, length);
    if (IB_UNLIKELY(from->flags & IB_STAMPED)) {
        uint64_t stamp = ib_stamp_of(rx, sequence);
        if (stamp) {
            ib_stamp_with(tx, at, stamp);
            t->stamped_ns = stamp;
        }
    }
    return j->handle ? j->handle(&j->param, to, tx->slot_bytes) : IB_OK;
}

/* Publishes `used` messages of `reserved` slots from `first` on. */
void ib_job_hand_on(ib_job *j, int lane, uint64_t first, uint64_t used, uint64_t reserved) {
    ib_party *tx = j->tx[lane];
    /* Read before it is published: afterwards a slot of a shared lane is soon somebody else's. */
    uint64_t origin = used ? ib_at(tx, first + used - 1)->origin + 1 : 0;
    if (origin > j->told[lane]) j->told[lane] = origin;
    if (tx->mpsc) {
        for (uint64_t i = used; i < reserved; i++) { /* claimed in vain: only when a job fails */
            ib_slot *slot = ib_at(tx, first + i);
            slot->length = 0;
            slot->flags = IB_ABORTED;
        }
        ib_mpsc_publish(tx, first, reserved);
    } else if (used) {
        ib_publish(tx, first + used);
    }
    if (used) ib_lane_batch(tx, first, used);
}

static uint64_t messages_in(const ib_party *rx, uint64_t from, uint64_t n) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < n; i++) found += !(ib_at(rx, from + i)->flags & IB_SKIP);
    return found;
}

/* Messages of rx[i] from sequence `from`, `n` slots, into lane `lane`, as far as it has room; how many slots.
 * Whoever reads (`reads`) counts what comes in and sees the floor. */
static uint64_t carry(ib_job *j, int i, uint64_t from, uint64_t n, int lane, int reads, ib_tally *t, int *code) {
    ib_party *rx = j->rx[i], *tx = j->tx[lane];
    uint64_t done = 0;
    *code = IB_OK;
    while (done < n && *code == IB_OK) {
        uint64_t want = tx->mpsc ? messages_in(rx, from + done, n - done) : n - done;
        uint64_t room = want ? ib_job_reserve(tx, want, code) : 0, first = tx->next, used = 0;
        int lost = want && !room && j->drop;
        if (*code || (want && !room && !lost)) break;
        for (; done < n; done++) {
            ib_slot *slot = ib_at(rx, from + done);
            uint16_t flags = slot->flags;
            if (IB_UNLIKELY(flags & IB_SKIP)) {
                if (reads && flags & IB_ABORTED) {
                    t->aborted++;
                    t->in++;
                }
            } else if (used < room) {
                *code = fill(j, rx, slot, from + done, tx, first + used, t);
                if (IB_UNLIKELY(*code != IB_OK)) break;
                used++;
                t->in += (uint64_t)reads;
            } else if (lost) {
                ib_job_lose(j, tx, t, 1);
                t->in += (uint64_t)reads;
            } else {
                break;
            }
            if (reads) see(j, i, slot->origin);
        }
        if (room) ib_job_hand_on(j, lane, first, used, room);
        t->out += used;
    }
    return done;
}

int64_t ib_step_in_place(ib_worker *w, ib_job *j) {
    ib_party *p = j->rx[0];
    uint64_t n, first = p->next, done = 0, marks = 0, skipped = 0, stamped = 0;
    int code = ib_job_look(j, 0, first, &n), any_stamp = 0;
    if (code != IB_OK) return -code;
    if (!n) return 0;
    if (n > w->max_batch) n = w->max_batch;
    for (; done < n; done++) {
        ib_slot *slot = ib_at(p, first + done);
        uint16_t flags = slot->flags;
        if (IB_UNLIKELY(flags)) {
            if (flags & IB_SKIP) {
                if (flags & IB_WATERMARK) marks++;
                else skipped++;
                continue;
            }
            stamped = first + done;
            any_stamp = 1;
        }
        if (!j->handle) continue;
        code = IB_LIKELY(slot->length <= p->slot_bytes) ? j->handle(&j->param, slot, p->slot_bytes) : IB_CORRUPT;
        if (IB_UNLIKELY(code != IB_OK)) break;
    }
    ib_tally t = {done - marks, done - marks - skipped, 0, 0, 0, any_stamp && j->row ? ib_stamp_of(p, stamped) : 0};
    ib_publish(p, first + done);
    ib_job_count(j, &t);
    j->failed_at = first + done;
    return code != IB_OK ? -code : (int64_t)n;
}

static void choose(ib_job *j, int which) {
    if (!j->runs) return;
    if (j->run_count && j->runs[j->run_count - 1].which == which) j->runs[j->run_count - 1].count++;
    else if (j->run_count < IB_MOST_RUNS) j->runs[j->run_count++] = (ib_run){which, 1};
}

/* Each message of rx[0] from `from` to the next lane in turn that has room; how many slots. */
static uint64_t share(ib_job *j, uint64_t from, uint64_t n, ib_tally *t, int *code) {
    ib_party *rx = j->rx[0];
    uint64_t done = 0, first[IB_MOST_LANES], room[IB_MOST_LANES], used[IB_MOST_LANES];
    int lanes = j->txs;
    *code = IB_OK;
    for (int k = 0; k < lanes; k++) {
        int bad;
        room[k] = ib_free(j->tx[k], &bad);
        first[k] = j->tx[k]->next;
        used[k] = 0;
        if ((*code = ib_job_unusable(bad))) return 0;
        if (j->tx[k]->mpsc && room[k]) room[k] = 1; /* claimed when it is chosen */
    }
    for (; done < n; done++) {
        ib_slot *slot = ib_at(rx, from + done);
        if (slot->flags & IB_SKIP) {
            t->aborted += (slot->flags & IB_ABORTED) != 0;
            t->in += (slot->flags & IB_ABORTED) != 0;
            see(j, 0, slot->origin);
            continue;
        }
        int chosen = -1;
        for (int k = 0; k < lanes && chosen < 0; k++) {
            int lane = (int)((j->turn + (uint32_t)k) % (uint32_t)lanes);
            if (used[lane] == room[lane]) continue;
            if (j->tx[lane]->mpsc) {
                if (ib_job_reserve(j->tx[lane], 1, code) != 1) {
                    if (*code) goto out;
                    room[lane] = 0;
                    continue;
                }
                first[lane] = j->tx[lane]->next;
            }
            chosen = lane;
        }
        if (chosen < 0 && !j->drop) break;
        if (chosen < 0) {
            ib_job_lose(j, j->tx[j->turn % (uint32_t)lanes], t, 1);
        } else {
            *code = fill(j, rx, slot, from + done, j->tx[chosen], first[chosen] + used[chosen], t);
            if (*code != IB_OK) {
                if (j->tx[chosen]->mpsc) ib_job_hand_on(j, chosen, first[chosen], 0, 1);
                break;
            }
            if (j->tx[chosen]->mpsc) ib_job_hand_on(j, chosen, first[chosen], 1, 1);
            else used[chosen]++;
            j->turn = (uint32_t)chosen + 1;
            t->out++;
        }
        choose(j, chosen);
        t->in++;
        see(j, 0, slot->origin);
    }
out:
    for (int k = 0; k < lanes; k++)
        if (used[k]) ib_job_hand_on(j, k, first[k], used[k], used[k]);
    return done;
}

int64_t ib_step_route(ib_worker *w, ib_job *j) {
    ib_party *rx = j->rx[0];
    ib_tally t = {0, 0, 0, 0, 0, 0};
    uint64_t behind = w->max_batch, furthest = 0;
    int code = IB_OK, failed = IB_OK;
    for (int k = 0; k < j->txs && failed == IB_OK; k++) {
        uint64_t n;
        code = ib_job_look(j, 0, j->at[k], &n);
        if (code != IB_OK) return -code;
        if (n > w->max_batch) n = w->max_batch;
        uint64_t moved = !n ? 0 : j->queue ? share(j, j->at[k], n, &t, &failed) : carry(j, 0, j->at[k], n, k, k == 0, &t, &failed);
        j->at[k] += moved;
        if (failed != IB_OK) j->failed_at = j->at[k];
        uint64_t ahead = j->at[k] - rx->next;
        if (!k || ahead < behind) behind = ahead;
        if (ahead > furthest) furthest = ahead;
        if (j->queue) break;
    }
    if (failed == IB_OK || j->txs == 1 || j->queue) {
        if (behind) ib_publish(rx, rx->next + behind);
        if (j->queue)
            for (int k = 0; k < j->txs; k++) j->at[k] = rx->next;
    }
    ib_job_count(j, &t);
    if (failed != IB_OK) return -failed;
    int64_t told = 0;
    if (j->marks && behind == furthest) { /* all lanes have the same behind them */
        uint64_t floor = j->floor[0];
        told = ib_job_tell(j, floor);
        if (told < 0) return told;
    }
    return (int64_t)(t.in + t.out + behind) + told;
}

/* Head of input i: the first message at or behind rx->next; skipped slots in front of it are passed. 1: there is one. */
static int head(ib_job *j, int i, ib_tally *t, int64_t *passed, int *code) {
    ib_party *rx = j->rx[i];
    for (;;) {
        uint64_t n, skip = 0;
        *code = ib_job_look(j, i, rx->next, &n);
        if (*code != IB_OK || !n) return 0;
        while (skip < n && ib_at(rx, rx->next + skip)->flags & IB_SKIP) {
            ib_slot *slot = ib_at(rx, rx->next + skip);
            t->aborted += (slot->flags & IB_ABORTED) != 0;
            t->in += (slot->flags & IB_ABORTED) != 0;
            see(j, i, slot->origin);
            skip++;
        }
        if (skip) ib_publish(rx, rx->next + skip);
        *passed += (int64_t)skip;
        if (skip < n) return 1;
    }
}

static int before(uint64_t origin_a, uint16_t ingress_a, int a, uint64_t origin_b, uint16_t ingress_b, int b) {
    if (origin_a != origin_b) return origin_a < origin_b;
    if (ingress_a != ingress_b) return ingress_a < ingress_b;
    return a < b;
}

/* How many slots of input i may go before anything else: all that come before every other head, and not after
 * what may still come from an input that shows nothing. That input may still bring the same origin (a stage there
 * gave several messages for one): to wait for those could take more room than all lanes have. */
static uint64_t run_of(ib_job *j, int i, const int *there, uint64_t most) {
    ib_party *rx = j->rx[i];
    uint64_t n = rx->limit - rx->next, length = 0;
    if (n > most) n = most;
    for (; length < n; length++) {
        ib_slot *slot = ib_at(rx, rx->next + length);
        for (int k = 0; k < j->rxs; k++) {
            if (k == i) continue;
            if (there[k]) {
                ib_slot *other = ib_at(j->rx[k], j->rx[k]->next);
                if (!before(slot->origin, slot->ingress, i, other->origin, other->ingress, k)) return length;
            } else if (!j->finished[k]) {
                if (j->floor[k] < slot->origin + 1) return length;
            }
        }
    }
    return length;
}

static int64_t merge_ordered(ib_worker *w, ib_job *j, ib_tally *t, int *code) {
    int there[IB_MOST_LANES];
    int64_t moved = 0;
    for (int i = 0; i < j->rxs; i++) {
        there[i] = head(j, i, t, &moved, code);
        if (*code != IB_OK) return moved;
    }
    while (t->out + t->lost < w->max_batch) {
        int least = -1;
        for (int i = 0; i < j->rxs; i++) {
            if (!there[i]) continue;
            ib_slot *a = ib_at(j->rx[i], j->rx[i]->next), *b = least < 0 ? a : ib_at(j->rx[least], j->rx[least]->next);
            if (least < 0 || before(a->origin, a->ingress, i, b->origin, b->ingress, least)) least = i;
        }
        if (least < 0) return moved;
        uint64_t run = run_of(j, least, there, w->max_batch - t->out - t->lost);
        if (!run) return moved;
        uint64_t messages = t->in - t->aborted;
        uint64_t done = carry(j, least, j->rx[least]->next, run, 0, 1, t, code);
        for (messages = t->in - t->aborted - messages; messages; messages--) choose(j, least);
        j->failed_at = j->rx[least]->next + done;
        if (done) ib_publish(j->rx[least], j->rx[least]->next + done);
        moved += (int64_t)done;
        if (*code != IB_OK || done < run) return moved;
        there[least] = head(j, least, t, &moved, code);
        if (*code != IB_OK) return moved;
    }
    return moved;
}

static int64_t merge_in_turn(ib_worker *w, ib_job *j, ib_tally *t, int *code) {
    int64_t moved = 0;
    uint32_t start = j->turn;
    for (int k = 0; k < j->rxs; k++) {
        int i = (int)((start + (uint32_t)k) % (uint32_t)j->rxs);
        ib_party *rx = j->rx[i];
        uint64_t n, messages = t->in - t->aborted;
        *code = ib_job_look(j, i, rx->next, &n);
        if (*code != IB_OK) return moved;
        if (n > w->max_batch) n = w->max_batch;
        uint64_t done = n ? carry(j, i, rx->next, n, 0, 1, t, code) : 0;
        for (messages = t->in - t->aborted - messages; messages; messages--) choose(j, i);
        j->failed_at = rx->next + done;
        if (done) ib_publish(rx, rx->next + done);
        moved += (int64_t)done;
        j->turn = (uint32_t)i;
        if (*code != IB_OK || done < n) return moved;
        j->turn = (uint32_t)i + 1;
    }
    return moved;
}

int64_t ib_step_merge(ib_worker *w, ib_job *j) {
    ib_tally t = {0, 0, 0, 0, 0, 0};
    int code = IB_OK;
    int64_t moved = j->ordered ? merge_ordered(w, j, &t, &code) : merge_in_turn(w, j, &t, &code);
    ib_job_count(j, &t);
    if (code != IB_OK) return -code;
    if (j->marks) {
        uint64_t floor = UINT64_MAX;
        int live = 0;
        for (int i = 0; i < j->rxs; i++) {
            ib_party *rx = j->rx[i];
            int there = rx->limit != rx->next;
            if (!there && j->finished[i]) continue;
            uint64_t least = there ? ib_at(rx, rx->next)->origin + 1 : j->floor[i];
            live = 1;
            if (least < floor) floor = least;
        }
        int64_t told = live ? ib_job_tell(j, floor) : 0;
        if (told < 0) return told;
        moved += told;
    }
    return moved;
}
