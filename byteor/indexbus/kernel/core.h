/* The transport's core: cells, waiting, ring positions, native stages. No Python.h, so that sanitizers,
 * other languages and plain-C benchmarks can use it. Layout: abi.h (generated). Memory order:
 * a cell is stored with release after everything it announces, and loaded with acquire before it is used;
 * each cell has one writer. Cells wrap, so every comparison is a signed difference. */
#ifndef IB_CORE_H
#define IB_CORE_H

#include <stddef.h>
#include <stdint.h>
#include "abi.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "regions are little-endian"
#endif

#define IB_LIKELY(x) __builtin_expect(!!(x), 1)
#define IB_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* How a call ended. */
enum {
    IB_OK = 0,
    IB_TIMEOUT = 1,
    IB_FINISHED = 2,
    IB_ABORTED_END = 3,
    IB_STOPPED = 4,
    IB_DEAD = 5,
    IB_CORRUPT = 6,
    IB_TICK = 7, /* waited long enough that the caller should look around; call again */
    IB_STAGE_ERROR = 8,
    IB_TOO_LONG = 9,
};

enum { IB_SPIN = 0, IB_YIELD = 1, IB_BACKOFF = 2, IB_BLOCK = 3 };

#define IB_MOST_PATIENCE 96
#define IB_MOST_CREDIT 1024
#define IB_TICK_NS 50000000ll /* heartbeats and dead peers: twice in the 100 ms that the contract gives */
#define IB_MAX_WATCH 64

typedef struct {
    uint64_t value;
    uint32_t wake;
    uint32_t parked;
    uint8_t pad[IB_LINE - 16];
} ib_cell;

typedef struct {
    uint32_t length;
    uint16_t flags;
    uint16_t ingress;
    uint64_t origin;
    uint8_t payload[];
} ib_slot;

typedef struct {
    uint32_t state;
    uint32_t reason;
    uint32_t role;
    uint32_t egress_mask;
    uint64_t sequence;
    uint8_t pad[IB_LINE - 24];
} ib_stream;

typedef struct {
    uint64_t sequence;
    uint64_t time_ns;
} ib_stamp;

typedef struct {
    uint32_t pid;
    uint32_t flags;
    uint64_t start_time;
    uint64_t claimed;
    uint64_t attached_ns;
    uint64_t claimed_count;
    uint8_t pad[IB_LINE - 40];
} ib_peer;

_Static_assert(sizeof(ib_cell) == IB_CELL_BYTES && offsetof(ib_cell, parked) == IB_CELL_PARKED, "cell");
_Static_assert(sizeof(ib_slot) == IB_SLOT_BYTES && offsetof(ib_slot, origin) == IB_SLOT_ORIGIN, "slot");
_Static_assert(sizeof(ib_stream) == IB_STREAM_BYTES && offsetof(ib_stream, sequence) == IB_STREAM_SEQUENCE, "stream");
_Static_assert(sizeof(ib_peer) == IB_PEER_BYTES && offsetof(ib_peer, claimed) == IB_PEER_CLAIMED, "peer");
_Static_assert(sizeof(ib_stamp) == IB_STAMP_BYTES, "stamp");

/* One role of one ring in one thread. Geometry is a copy: the region's header is never read again. */
typedef struct {
    uint8_t *slots;
    uint64_t mask;
    uint32_t stride;
    uint32_t slot_bytes;
    uint64_t capacity;
    uint64_t next;  /* the sequence that this role handles next */
    uint64_t limit; /* cached: everything before it may be handled without reading a remote cell */
    ib_stream *stream;
    ib_cell *cursor;
    ib_stamp *stamps;
    ib_cell *own[IB_MAX_WATCH]; /* published together */
    int owned;
    int watched;
    ib_cell *watch[IB_MAX_WATCH]; /* never passed */
    uint64_t lead;                /* added to what is watched: capacity for a producer, 0 for a consumer */
    ib_peer *peers;
    uint64_t peers_at; /* offset in the file: lock bytes lie there */
    int peer_count;
    int self;
    int fd;
    int strategy;
    uint32_t patience; /* a blocking wait looks so often before it sleeps, see ib_learn_slept */
    int32_t credit;    /* for long looks */
    int stop;
    uint32_t naps; /* since it last got what it waited for; see ib_relax */
    int fence; /* 1: no membarrier, fence at every publish */
    int mpsc;  /* many producers: a slot is published by its own marker (= sequence + 1), not by the cursor */
    uint64_t *markers;
    uint64_t fatal; /* bit i: the death of peer i ends this role's waits */
    uint64_t aborted_slots; /* slots of dead claimants that this consumer has skipped */
    /* sampling and accounting */
    uint8_t *row;
    uint8_t *lane_row; /* the lane's own row, written by its producers */
    uint64_t stamp_at; /* publishing up to here is not stamped */
    uint64_t stamp_every;
    uint64_t stamped_ns;
    uint64_t since_clock;
    uint64_t started_ns;
    uint64_t idle_ns;
    uint64_t ticked_ns;
    uint64_t dead_peer;
    struct ib_turns *turns; /* of a producer: what it did, for whoever records that; NULL: nobody asks */
} ib_party;

/* n messages in the slots from `first` on; -n: so many found the lane full and were lost. */
typedef struct {
    uint64_t first;
    int64_t n;
} ib_turn;
typedef struct ib_turns {
    int lock;
    uint32_t count, room;
    int lost; /* there was no memory for them all */
    ib_turn *turns;
} ib_turns;
ib_turns *ib_turns_new(void);
void ib_turns_free(ib_turns *t);
void ib_turns_add(ib_turns *t, uint64_t first, int64_t n);
ib_turn *ib_turns_take(ib_turns *t, uint32_t *count, int *lost); /* the caller frees them */

static inline uint64_t ib_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint32_t ib_load32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline ib_slot *ib_at(const ib_party *p, uint64_t sequence) {
    return (ib_slot *)(p->slots + (sequence & p->mask) * p->stride);
}
/* Read once, and at most what the slot holds: whoever may write the region may change it between two looks. */
static inline uint32_t ib_length(const ib_slot *slot, uint32_t room) {
    uint32_t length = __atomic_load_n(&slot->length, __ATOMIC_RELAXED);
    return IB_LIKELY(length <= room) ? length : room;
}
static inline uint64_t *ib_marker(const ib_party *p, uint64_t sequence) { return p->markers + (sequence & p->mask); }
/* Slots that are no message for whoever reads them. */
#define IB_SKIP (IB_FILTERED | IB_ABORTED | IB_WATERMARK)
/* A copy whose commonest length the compiler knows: a call of memcpy costs as much as the 64 bytes themselves. */
static inline void ib_copy(void *to, const void *from, size_t length) {
    if (IB_LIKELY(length == 64)) __builtin_memcpy(to, from, 64);
    else __builtin_memcpy(to, from, length);
}
static inline void ib_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

void ib_wake(ib_cell *cell);

/* Publish one cell. The load of `parked` must not pass the store: the sleeper's membarrier (see ib_park)
 * orders it for us, so that here a compiler barrier is enough; without membarrier we pay for a fence. */
static inline void ib_publish_cell(const ib_party *p, ib_cell *cell, uint64_t value) {
    __atomic_store_n(&cell->value, value, __ATOMIC_RELEASE);
    if (IB_UNLIKELY(p->fence)) __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (IB_UNLIKELY(__atomic_load_n(&cell->parked, __ATOMIC_RELAXED))) ib_wake(cell);
}

static inline void ib_publish(ib_party *p, uint64_t value) {
    p->next = value;
    for (int i = 0; i < p->owned; i++) ib_publish_cell(p, p->own[i], value);
}

uint64_t ib_clock_ns(void);
int ib_register_fence(void); /* 0: membarrier works in this process */
int ib_await(ib_party *p, uint64_t target, int64_t timeout_ns);
int ib_peer_died(ib_party *p);

/* MPSC producer: claim up to `want` slots at the shared tail; 0 when full, UINT64_MAX when
 * the head is ahead of the tail for good. Then fill, then ib_mpsc_publish. */
uint64_t ib_mpsc_claim(ib_party *p, uint64_t want);
void ib_mpsc_publish(ib_party *p, uint64_t first, uint64_t n);
uint64_t ib_free(ib_party *p, int *code); /* messages that fit now; 0 with a code */
void ib_install_sigbus(void);

/* The line at `at` is read (or written) soon. A look ahead of so many slots hides most of what a line costs that
 * another core has written; further ahead was no faster. */
#define IB_AHEAD 8
static inline void ib_soon_read(const ib_party *p, uint64_t sequence) {
    const uint8_t *at = (const uint8_t *)ib_at(p, sequence);
    __builtin_prefetch(at);
    __builtin_prefetch(at + IB_LINE);
}
static inline void ib_soon_written(const ib_party *p, uint64_t sequence) {
    uint8_t *at = (uint8_t *)ib_at(p, sequence);
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0\n\tprefetchw %1" : : "m"(*at), "m"(at[IB_LINE]));
#else
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at + IB_LINE, 1);
#endif
}

/* How many messages may be handled now, at most `max`: >= 1, or a code in *code. */
static inline uint64_t ib_available(ib_party *p, uint64_t max, int64_t timeout_ns, int *code) {
    uint64_t n = p->limit - p->next;
    if (IB_UNLIKELY(__atomic_load_n(&p->stream->state, __ATOMIC_RELAXED) & IB_ABORTED_STREAM)) {
        *code = IB_ABORTED_END;
        return 0;
    }
    if (n < max) { /* one look at the remote cell is less than a second batch would cost */
        *code = ib_await(p, p->next + 1, n ? 0 : timeout_ns);
        if (*code == IB_CORRUPT || (*code != IB_OK && !n)) return 0;
        n = p->limit - p->next;
    }
    *code = IB_OK;
    return n < max ? n : max;
}

/* Metrics: one writer a row, relaxed stores; readers differentiate. */
void ib_row_add(ib_party *p, unsigned field, uint64_t n);
/* A stage is given `sequence` now: should it hang, somebody outside can say over what. */
static inline void ib_row_hand(uint8_t *row, uint64_t sequence) {
    if (row) __atomic_store_n((uint64_t *)(row + IB_METRICS_ROW_IN_HAND), sequence + 1, __ATOMIC_RELAXED);
}
void ib_row_max(ib_party *p, unsigned field, uint64_t n);
void ib_lane_batch(ib_party *p, uint64_t first, uint64_t n);
void ib_dropped(ib_party *p, unsigned cause, uint64_t n);
void ib_row_tick(ib_party *p, uint64_t now);
void ib_row_batch(ib_party *p, uint64_t in, uint64_t out, uint64_t filtered);
void ib_row_latency(ib_party *p, uint64_t sequence);
void ib_stamp_slot(ib_party *p, uint64_t sequence);
void ib_stamp_with(ib_party *p, uint64_t sequence, uint64_t time_ns);
uint64_t ib_stamp_of(const ib_party *p, uint64_t sequence); /* 0: none, or overwritten */

/* Producer: one message a batch is stamped; when batches come slowly, each; when fast, one in up to 256. */
static inline void ib_maybe_stamp(ib_party *p, uint64_t first, uint64_t n) {
    if (IB_LIKELY((int64_t)(first + n - p->stamp_at) < 0)) return;
    ib_stamp_slot(p, first);
    p->stamp_at = first + n + p->stamp_every;
}

void ib_state_write(uint8_t *at, const void *data, uint32_t length);
int ib_state_read(const uint8_t *at, uint32_t room, void *out, uint32_t *length, uint64_t *version, int tries);

enum { IB_RECORD_IS_PADDING = 16 }; /* beside the ends above */
static inline uint64_t ib_record_bytes(uint64_t length) { return (length + IB_RECORD_BYTES + 4 + 7) & ~7ull; }
uint64_t ib_record_write(uint8_t *at, const void *head, uint32_t head_bytes, const void *data, uint32_t length);
int ib_record_look(const uint8_t *data, uint64_t room, uint32_t *length, uint64_t *size);

uint32_t ib_crc32c(uint32_t crc, const uint8_t *data, size_t length);

/* Native stages: one row a stage in ib_stages. A function handles one message in place and returns IB_OK,
 * IB_STAGE_ERROR or IB_TOO_LONG. NULL is identity. */
typedef struct {
    const uint8_t *param;
    size_t length;
} ib_param;
typedef int (*ib_stage_fn)(const ib_param *param, ib_slot *slot, uint32_t room);
typedef struct {
    const char *name;
    ib_stage_fn handle;
} ib_stage;
extern const ib_stage ib_stages[];
extern const int ib_stage_count;

/* Runs a stage until something other than messages comes; the failing sequence is p->next then. */
int ib_run_stage(ib_party *p, ib_stage_fn handle, const ib_param *param, uint64_t max_batch);

#endif
