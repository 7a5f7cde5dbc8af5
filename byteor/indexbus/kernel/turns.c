/* What a producer's end did, in its order, run-length coded: how a shared lane's producers took turns, and what a
 * full lane lost. Who replays a run follows it. Kept in this process; anybody may take it while the producer works. */
#include "core.h"

#include <sched.h>
#include <stdlib.h>

#define MOST_TURNS (1u << 20)

static void lock(ib_turns *t) {
    while (__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
}

static void unlock(ib_turns *t) { __atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE); }

ib_turns *ib_turns_new(void) { return calloc(1, sizeof(ib_turns)); }

void ib_turns_free(ib_turns *t) {
    if (t) free(t->turns);
    free(t);
}

static int grow(ib_turns *t) {
    uint32_t room = t->room ? 2 * t->room : 64;
    ib_turn *more = room <= MOST_TURNS ? realloc(t->turns, room * sizeof *more) : NULL;
    if (!more) return 0;
    t->turns = more;
    t->room = room;
    return 1;
}

void ib_turns_add(ib_turns *t, uint64_t first, int64_t n) {
    lock(t);
    ib_turn *last = t->count ? t->turns + t->count - 1 : NULL;
    int same = last && (last->n > 0) == (n > 0) && (n < 0 || last->first + (uint64_t)last->n == first);
    if (same) last->n += n;
    else if (!t->lost && (t->count < t->room || grow(t))) t->turns[t->count++] = (ib_turn){first, n};
    else t->lost = 1; /* for good: what follows would be told of other messages */
    unlock(t);
}

ib_turn *ib_turns_take(ib_turns *t, uint32_t *count, int *lost) {
    lock(t);
    ib_turn *taken = t->turns;
    *count = t->count;
    *lost = t->lost;
    t->turns = NULL;
    t->count = t->room = 0;
    unlock(t);
    return taken;
}
