/* Waiting, waking and peers. Metrics rows: rows.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MEMBARRIER_GLOBAL_EXPEDITED 2
#define MEMBARRIER_REGISTER_GLOBAL_EXPEDITED 4

uint64_t ib_clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int ib_register_fence(void) {
    return syscall(SYS_membarrier, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0 ? 0 : 1;
}

void ib_wake(ib_cell *cell) {
    /* Clearing the flag first makes it self-healing: a sleeper that was killed costs one call, not one a message. */
    __atomic_store_n(&cell->parked, 0, __ATOMIC_RELAXED);
    __atomic_add_fetch(&cell->wake, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &cell->wake, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); /* shared: PRIVATE wakes no other process */
}

/* The slowest watched cell, and its value relative to `target` (plus the lead). */
static inline int64_t ib_behind(const ib_party *p, uint64_t target, ib_cell **slowest) {
    int64_t least = INT64_MAX;
    if (p->mpsc && !p->lead) { /* ready: the run of slots whose marker says so */
        uint64_t ready = 0, most = p->capacity < 256 ? p->capacity : 256;
        while (ready < most && ib_load(ib_marker(p, p->next + ready)) == p->next + ready + 1) ready++;
        return (int64_t)(p->next + ready - target);
    }
    for (int i = 0; i < p->watched; i++) {
        int64_t d = (int64_t)(ib_load(&p->watch[i]->value) + p->lead - target);
        if (d < least) {
            least = d;
            *slowest = p->watch[i];
        }
    }
    return least;
}

static int ib_take(ib_party *p, uint64_t target, int64_t d) {
    /* More than the ring holds, in either direction, is no state that an honest peer reaches. */
    if (IB_UNLIKELY((uint64_t)d >= p->capacity && !(p->mpsc && p->lead))) return IB_CORRUPT;
    p->limit = target + (uint64_t)d;
    p->naps = 0;
    return IB_OK;
}

/* When looking turns into sleeping, in rounds. A wait's clock starts before its first sleep: a wait that sleeps
 * without one neither ends in time nor looks around. A core that others want does not come back from a yield for
 * milliseconds, and the scheduler holds each yield against us: then backing off sleeps at once. */
enum { IB_CLOCK_ROUND = 32, IB_BACKOFF_ROUND = 192, IB_YIELDS_NS = 100000 };
/* Backing off takes four naps of each length up to half a millisecond and 16 of a whole one, over several calls
 * if none was answered: after some 20 ms of nothing it sleeps on its cell as blocking does, and idling is free. */
enum { IB_NAPS = 4 * 10 + 16 };
_Static_assert((int)IB_CLOCK_ROUND < (int)IB_BACKOFF_ROUND, "the clock first");

/* How long a blocking wait looks before it sleeps: `patience`. Looking pays when the peer is at work on another core,
 * and delays the peer when both share one. So each sleep halves it, and an answer that a short look found restores it.
 * Two sleepers on idle cores would never learn that they could answer each other in a fraction of the time that waking
 * such a core takes. So a wait may look as long as a wake takes, for credit: quick answers earn it (then one late answer
 * puts nobody to sleep), sleeps do, slowly (then it is tried); looking in vain costs most of it, and a slow answer some:
 * a stream with a message every 50 us shall not keep a core busy. */
enum { IB_LONG_LOOK = 2048, IB_QUICK_EARNS = 16, IB_SLOW_COSTS = 16, IB_VAIN_COSTS = 512 };

static void ib_learn_slept(ib_party *p) {
    int was_long = p->patience > IB_MOST_PATIENCE;
    if (was_long) p->credit -= IB_VAIN_COSTS;
    else p->credit++;
    int again = p->credit >= (was_long ? IB_VAIN_COSTS : IB_MOST_CREDIT);
    p->patience = again ? IB_LONG_LOOK : was_long ? 0 : p->patience / 2;
}

static void ib_learn_found(ib_party *p, uint32_t round) {
    int quick = round <= IB_MOST_PATIENCE;
    if (!quick) p->credit -= IB_SLOW_COSTS;
    else if (p->credit < IB_MOST_CREDIT) p->credit += IB_QUICK_EARNS;
    p->patience = p->credit >= IB_VAIN_COSTS ? IB_LONG_LOOK : quick ? IB_MOST_PATIENCE : 0;
}

/* Sleeps at most `most_ns`. A publisher stores, then looks at `parked`, without a fence: it may miss us unless a
 * membarrier orders the two for it. That costs as much as the rest of a sleep, and a store is on its way for some
 * 100 ns at most: so the first nap of a wait goes without and is short; those that follow are safe, and long.
 * Returns 1 when the answer came while we were still on our way to sleep. */
static int ib_park(ib_party *p, ib_cell *cell, uint64_t target, int64_t most_ns) {
    uint32_t seen = ib_load32(&cell->wake);
    __atomic_store_n(&cell->parked, 1, __ATOMIC_SEQ_CST);
    long timeout_ns = IB_TICK_NS;
    if (!p->naps++ || p->fence || syscall(SYS_membarrier, MEMBARRIER_GLOBAL_EXPEDITED, 0, 0) != 0) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        timeout_ns = 1000000;
    }
    if (ib_behind(p, target, &cell) >= 0) return 1;
    if (ib_load32(&p->stream->state) != IB_OPEN || __atomic_load_n(&p->stop, __ATOMIC_RELAXED)) return 0;
    struct timespec t = {0, most_ns < timeout_ns ? (long)most_ns : timeout_ns};
    return syscall(SYS_futex, &cell->wake, FUTEX_WAIT, seen, &t, NULL, 0) != 0 && errno == EAGAIN;
}

static void ib_sleep_ns(long ns) {
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

/* One step of waiting; returns 1 when it slept (so that the clock is worth a look). */
static int ib_relax(ib_party *p, uint32_t round, uint32_t looks, ib_cell *slowest, uint64_t target, int64_t most_ns) {
    switch (p->strategy) {
    case IB_SPIN:
        ib_pause();
        return (round & 1023) == 1023;
    case IB_YIELD:
        if (round < 64) {
            ib_pause();
            return 0;
        }
        sched_yield();
        return 1; /* where many want this core it took many milliseconds */
    case IB_BACKOFF: {
        if (round < 128) {
            ib_pause();
            return 0;
        }
        if (round < IB_BACKOFF_ROUND) {
            sched_yield();
            return 1;
        }
        if (p->naps >= IB_NAPS) {
            ib_park(p, slowest, target, most_ns);
            return 1;
        }
        uint32_t doublings = p->naps++ / 4;
        ib_sleep_ns(doublings >= 10 ? 1000000 : 1000l << doublings);
        return 1;
    }
    default:
        if (round < looks) {
            ib_pause();
            return 0;
        }
        if (round == looks) ib_learn_slept(p);
        if (ib_park(p, slowest, target, most_ns) && round == looks) ib_learn_found(p, 1);
        return 1;
    }
}

int ib_await(ib_party *p, uint64_t target, int64_t timeout_ns) {
    ib_cell *slowest = p->watch[0];
    uint64_t start = 0, now = 0;
    int code = IB_OK;
    uint32_t looks = p->patience, clock_round = p->strategy == IB_BLOCK && looks < IB_CLOCK_ROUND ? looks : IB_CLOCK_ROUND;
    for (uint32_t round = 0;; round++) {
        int64_t d = ib_behind(p, target, &slowest);
        if (d >= 0) {
            code = ib_take(p, target, d);
            if (round && round <= looks) ib_learn_found(p, round);
            break;
        }
        if (!p->mpsc && -d > (p->lead ? (int64_t)p->capacity : 1)) {
            code = IB_CORRUPT;
            break;
        }
        uint32_t state = ib_load32(&p->stream->state);
        if (IB_UNLIKELY(state != IB_OPEN)) {
            if ((state & IB_ABORTED_STREAM) || p->lead) {
                code = state & IB_ABORTED_STREAM ? IB_ABORTED_END : IB_FINISHED;
                break;
            }
            /* Closed: the cursor is final, and was read after the state. */
            if (ib_load(&p->cursor->value) == p->next) {
                code = IB_FINISHED;
                break;
            }
        }
        if (__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
            code = IB_STOPPED;
            break;
        }
        if (timeout_ns == 0) return IB_TIMEOUT;
        if (IB_UNLIKELY(round == clock_round)) start = now = ib_clock_ns();
        int64_t left = timeout_ns < 0 ? INT64_MAX : timeout_ns - (int64_t)(now - start);
        /* Not beyond the next look around: a sleep that ends just before it would put it off by one more. */
        int64_t look = start ? IB_TICK_NS - (int64_t)(now - p->ticked_ns) : INT64_MAX;
        if (look < 0) look = 0;
        if (ib_relax(p, round, looks, slowest, target, look < left ? look : left) && start) {
            now = ib_clock_ns();
            if (p->strategy == IB_BACKOFF && round < IB_BACKOFF_ROUND && now - start > IB_YIELDS_NS) round = IB_BACKOFF_ROUND - 1;
            /* Before the tick: a call that is ticked each time must end in time all the same. */
            int over = timeout_ns > 0 && now - start >= (uint64_t)timeout_ns;
            if (now - p->ticked_ns >= (uint64_t)IB_TICK_NS) {
                p->idle_ns += now - start;
                ib_row_tick(p, now);
                return ib_peer_died(p) ? IB_DEAD : over ? IB_TIMEOUT : IB_TICK;
            }
            if (over) {
                code = IB_TIMEOUT;
                break;
            }
        }
    }
    if (start && p->row) { /* without a row nobody asks, and the clock would stand in the way of the answer */
        now = ib_clock_ns();
        p->idle_ns += now - start;
        if (now - p->ticked_ns >= (uint64_t)IB_TICK_NS) ib_row_tick(p, now);
    }
    return code;
}

/* A peer is dead when its entry names a process but nobody holds its lock byte: the kernel drops an OFD lock
 * with the last descriptor, however the process ended. An entry that changed meanwhile is not dead but new. */
static int ib_entry_dead(ib_party *p, int i) {
    ib_peer *peer = p->peers + i;
    uint64_t attached = ib_load(&peer->attached_ns);
    if (ib_load32(&peer->pid) == 0) return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(p->peers_at + (uint64_t)i * IB_PEER_BYTES), .l_len = 1};
    if (fcntl(p->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK) return 0;
    return ib_load32(&peer->pid) != 0 && ib_load(&peer->attached_ns) == attached;
}

/* The consumer stands before a slot that is claimed and not published. When a dead producer claimed it and no
 * living one names it, nobody will ever publish it: do it ourselves, as aborted. A producer names what it tries to
 * claim before it tries, so the living owner of a slot is always visible here. Returns 1 when only the dead are left. */
static int ib_mpsc_rescue(ib_party *p) {
    int dead = 0, living = 0, claimed_by_dead = 0, claimed_by_living = 0;
    uint64_t wanted = p->next;
    for (int i = 0; i < p->peer_count; i++) {
        if (i == p->self) continue;
        ib_peer *peer = p->peers + i;
        int present = ib_load32(&peer->pid) != 0, gone = present && ib_entry_dead(p, i);
        int claims = present && wanted - ib_load(&peer->claimed) < ib_load(&peer->claimed_count);
        dead += gone;
        living += present && !gone;
        if (claims && gone) claimed_by_dead = 1;
        if (claims && !gone) claimed_by_living = 1;
    }
    ib_slot *slot = ib_at(p, wanted);
    int claimed = (int64_t)(ib_load(&p->cursor->value) - wanted) > 0;
    if (claimed && claimed_by_dead && !claimed_by_living && ib_load(ib_marker(p, wanted)) != wanted + 1) {
        slot->length = 0;
        slot->flags = IB_ABORTED;
        __atomic_store_n(ib_marker(p, wanted), wanted + 1, __ATOMIC_RELEASE);
        p->aborted_slots++;
        return 0;
    }
    return dead && !living && !claimed;
}

uint64_t ib_mpsc_claim(ib_party *p, uint64_t want) {
    ib_peer *me = p->peers + p->self;
    uint64_t tail = ib_load(&p->cursor->value);
    int stale = 0;
    for (;;) {
        uint64_t used = tail - p->limit; /* limit caches the head here */
        if ((int64_t)used < 0 || used >= p->capacity) {
            p->limit = ib_load(&p->watch[0]->value);
            used = tail - p->limit;
            if ((int64_t)used < 0) { /* the tail that we read is older than the head */
                if (++stale > 1000) return UINT64_MAX; /* no: the region lies */
                tail = ib_load(&p->cursor->value);
                continue;
            }
        }
        if (used >= p->capacity) {
            __atomic_store_n(&me->claimed_count, 0, __ATOMIC_RELEASE);
            p->next = tail;
            return 0;
        }
        uint64_t n = p->capacity - used < want ? p->capacity - used : want;
        /* Named before taken, see ib_mpsc_rescue. */
        __atomic_store_n(&me->claimed, tail, __ATOMIC_RELAXED);
        __atomic_store_n(&me->claimed_count, n, __ATOMIC_SEQ_CST);
        if (__atomic_compare_exchange_n(&p->cursor->value, &tail, tail + n, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
            p->next = tail;
            return n;
        }
    }
}

void ib_mpsc_publish(ib_party *p, uint64_t first, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) __atomic_store_n(ib_marker(p, first + i), first + i + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&p->peers[p->self].claimed_count, 0, __ATOMIC_RELEASE);
    p->next = first + n;
    if (IB_UNLIKELY(p->fence)) __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (IB_UNLIKELY(__atomic_load_n(&p->cursor->parked, __ATOMIC_RELAXED))) ib_wake(p->cursor);
}

/* Messages that fit now: 0 when full, with *code IB_TIMEOUT, or when the stream is not open. */
uint64_t ib_free(ib_party *p, int *code) {
    uint32_t state = __atomic_load_n(&p->stream->state, __ATOMIC_RELAXED);
    *code = IB_OK;
    if (IB_UNLIKELY(state != IB_OPEN)) {
        *code = state & IB_ABORTED_STREAM ? IB_ABORTED_END : IB_FINISHED;
        return 0;
    }
    if (p->mpsc) {
        uint64_t used = ib_load(&p->cursor->value) - ib_load(&p->watch[0]->value);
        if (used < p->capacity) return p->capacity - used; /* others may take it before we do */
        *code = (int64_t)used < 0 || used == p->capacity ? IB_TIMEOUT : IB_CORRUPT;
        return 0;
    }
    if (p->limit == p->next) *code = ib_await(p, p->next + 1, 0);
    return *code == IB_OK ? p->limit - p->next : 0;
}

int ib_peer_died(ib_party *p) {
    if (p->mpsc && !p->lead) return ib_mpsc_rescue(p);
    for (int i = 0; i < p->peer_count; i++) {
        if (i == p->self || !(p->fatal >> i & 1) || !ib_entry_dead(p, i)) continue;
        p->dead_peer = (uint64_t)i;
        return 1;
    }
    return 0;
}

static void ib_on_sigbus(int number) {
    static const char text[] = "E_REGION_GONE: a region shrank under its worker (SIGBUS); somebody truncated the file\n";
    (void)number;
    ssize_t ignored = write(2, text, sizeof text - 1);
    (void)ignored;
    _exit(11);
}

void ib_install_sigbus(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = ib_on_sigbus;
    sigaction(SIGBUS, &action, NULL);
}
