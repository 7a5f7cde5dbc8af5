/* The worker: lets its jobs take turns, waits when none can move, keeps their rows alive. See work.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "work.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define SIZE_U32 2
#define MEMBARRIER_GLOBAL_EXPEDITED 2

typedef struct {
    uint64_t value, address;
    uint32_t flags, reserved;
} waitv;

/* Idle rounds of a worker: looking, then giving the core away, then sleeping a while, then on the cells. */
enum { LOOKING = 128, YIELDING = 192, BLOCKING = 96 };
#define DOZING_NS 20000000ull /* after this long a worker that backs off sleeps on its cells: idle costs nothing */

static void put(uint8_t *row, unsigned field, uint64_t value) { __atomic_store_n((uint64_t *)(row + field), value, __ATOMIC_RELAXED); }

void ib_work_tick(ib_worker *w, uint64_t now) {
    w->ticked_ns = now;
    for (int i = 0; i < w->job_count; i++) {
        ib_job *j = w->jobs + i;
        if (!j->row) continue;
        put(j->row, IB_METRICS_ROW_BUSY_NS, j->busy_ns);
        put(j->row, IB_METRICS_ROW_IDLE_NS, now - w->began_ns - (j->busy_ns < now - w->began_ns ? j->busy_ns : now - w->began_ns));
        if (!j->done) put(j->row, IB_METRICS_ROW_HEARTBEAT_NS, now);
    }
}

/* What job j waits for: lanes that it finds empty, lanes that it finds full. `each` says whether to go on. */
static int for_what_it_waits(ib_job *j, int (*each)(ib_worker *w, ib_party *p), ib_worker *w) {
    int code;
    for (int i = 0; i < j->rxs; i++) {
        ib_party *rx = j->rx[i];
        uint64_t from = rx->next;
        for (int k = 0; !i && k < j->txs; k++)
            if ((int64_t)(j->at[k] - from) > 0) from = j->at[k];
        if (!j->finished[i] && rx->limit == from && !each(w, rx)) return 0;
    }
    for (int i = 0; i < j->txs; i++)
        if (!ib_free(j->tx[i], &code) && !each(w, j->tx[i])) return 0;
    return 1;
}

static int lives(ib_worker *w, ib_party *p) {
    (void)w;
    return !ib_peer_died(p);
}

static int arm(ib_worker *w, ib_party *p) {
    for (int i = 0; i < p->watched; i++) {
        int known = 0;
        for (int k = 0; k < w->cell_count; k++) known |= w->cells[k] == p->watch[i];
        if (known || w->cell_count == 128) continue;
        w->cells[w->cell_count] = p->watch[i];
        w->seen[w->cell_count++] = ib_load32(&p->watch[i]->wake);
        __atomic_store_n(&p->watch[i]->parked, 1, __ATOMIC_SEQ_CST);
    }
    return 1;
}

static void sleep_ns(uint64_t ns) {
    struct timespec t = {0, (long)ns};
    nanosleep(&t, NULL);
}

/* Sleep until one of the armed cells is woken, at most 49 ms. */
static void park(ib_worker *w) {
    waitv all[128];
    int short_sleep = w->armed == 2;
    for (int i = 0; i < w->cell_count; i++) all[i] = (waitv){w->seen[i], (uint64_t)(uintptr_t)&w->cells[i]->wake, SIZE_U32, 0};
    uint64_t until = ib_clock_ns() + (short_sleep ? 1000000u : 49000000u);
    struct timespec at = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    static int missing; /* an old kernel, or a filter of system calls */
    if (!w->cell_count) {
        sleep_ns(1000000);
    } else if (w->cell_count == 1) {
        struct timespec t = {0, short_sleep ? 1000000 : 49000000};
        syscall(SYS_futex, &w->cells[0]->wake, FUTEX_WAIT, w->seen[0], &t, NULL, 0);
    } else if (__atomic_load_n(&missing, __ATOMIC_RELAXED)) {
        struct timespec t = {0, 1000000};
        syscall(SYS_futex, &w->cells[0]->wake, FUTEX_WAIT, w->seen[0], &t, NULL, 0);
    } else if (syscall(SYS_futex_waitv, all, w->cell_count, 0, &at, CLOCK_MONOTONIC) < 0 && (errno == ENOSYS || errno == EPERM)) {
        __atomic_store_n(&missing, 1, __ATOMIC_RELAXED);
    }
    w->armed = 0;
}

/* No job could move. Sleeping on cells takes two rounds: arm them, look once more, sleep. */
static void relax(ib_worker *w) {
    uint32_t round = w->idle_rounds++;
    if (w->armed) {
        park(w);
        return;
    }
    if (w->strategy == IB_SPIN || round < (w->strategy == IB_BLOCK ? (uint32_t)BLOCKING : w->strategy == IB_YIELD ? 64u : (uint32_t)LOOKING)) {
        ib_pause();
        return;
    }
    if (w->strategy == IB_YIELD || (w->strategy == IB_BACKOFF && round < YIELDING)) {
        sched_yield();
        return;
    }
    uint64_t now = ib_clock_ns();
    if (w->strategy == IB_BACKOFF && now - w->idle_since_ns < DOZING_NS) {
        uint32_t doublings = (round - YIELDING) / 4;
        sleep_ns(doublings >= 10 ? 1000000 : 1000ull << doublings);
        return;
    }
    w->cell_count = 0;
    for (int i = 0; i < w->job_count; i++)
        if (!w->jobs[i].done) for_what_it_waits(w->jobs + i, arm, w);
    int fence = 0;
    for (int i = 0; i < w->job_count; i++) {
        ib_job *j = w->jobs + i;
        for (int k = 0; k < j->rxs; k++) fence |= j->rx[k]->fence;
        for (int k = 0; k < j->txs; k++) fence |= j->tx[k]->fence;
    }
    if (fence || syscall(SYS_membarrier, MEMBARRIER_GLOBAL_EXPEDITED, 0, 0) != 0) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        fence = 1;
    }
    w->armed = fence ? 2 : 1; /* 2: a publisher that trusts our membarrier may miss us, do not sleep long */
}

static int all_in(const ib_job *j) {
    for (int i = 0; i < j->rxs; i++)
        if (!j->finished[i]) return 0;
    return (j->rxs || j->finished[0]) && !j->pending;
}

static int look_around(ib_worker *w) {
    for (int i = 0; i < w->job_count; i++) {
        w->at = i;
        if (!w->jobs[i].done && !for_what_it_waits(w->jobs + i, lives, w)) {
            w->jobs[i].failed_at = w->jobs[i].rxs ? w->jobs[i].rx[0]->next : w->jobs[i].next;
            return IB_DEAD;
        }
    }
    return IB_TICK;
}

int ib_work(ib_worker *w) {
    w->last_ns = ib_clock_ns();
    if (!w->began_ns) w->began_ns = w->ticked_ns = w->idle_since_ns = w->last_ns;
    for (uint32_t turn = 0;; turn++) {
        int64_t moved = 0;
        int left = 0;
        for (int i = 0; i < w->job_count; i++) {
            ib_job *j = w->jobs + i;
            if (j->done) continue;
            left++;
            j->run_count = 0;
            j->now_ns = 0;
            int64_t n = j->step(w, j);
            w->at = i;
            if (j->run_count && w->tell) w->tell(w, j);
            if (IB_UNLIKELY(n < 0)) return (int)-n;
            if (n) {
                uint64_t now = j->now_ns ? j->now_ns : ib_clock_ns();
                j->busy_ns += now - w->last_ns;
                w->last_ns = now;
                moved += n;
            } else if (IB_UNLIKELY(all_in(j))) {
                j->done = 1;
                return IB_JOB_ENDED;
            }
        }
        if (!left) return IB_FINISHED;
        if (moved) {
            w->idle_rounds = 0;
            w->armed = 0;
            w->idle_since_ns = w->last_ns;
        } else {
            relax(w);
            if (w->idle_rounds < 64 || (w->idle_rounds < YIELDING && (w->idle_rounds & 15))) continue;
            w->last_ns = ib_clock_ns();
        }
        if (w->last_ns - w->ticked_ns >= (uint64_t)IB_TICK_NS) {
            ib_work_tick(w, w->last_ns);
            return moved ? IB_TICK : look_around(w);
        }
    }
}
