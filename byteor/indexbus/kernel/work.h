/* A worker: jobs between lanes that take turns in one thread. No Python.h; jobs that call out of C bring a step of
 * their own. A step moves what can be moved and never waits; only the worker waits, when no job could move. */
#ifndef IB_WORK_H
#define IB_WORK_H

#include "core.h"

enum { IB_IN_PLACE = 0, IB_ROUTE = 1, IB_MERGE = 2, IB_GENERATE = 3, IB_DISCARD = 4, IB_FOREIGN = 5 };

#define IB_MOST_LANES 64 /* that one job reads, or writes */

typedef struct ib_worker ib_worker;
typedef struct ib_job ib_job;
/* Slots moved, or minus the code with which the work ends. */
typedef int64_t (*ib_step)(ib_worker *w, ib_job *j);

typedef struct {
    int32_t which;
    uint64_t count;
} ib_run;

/* What a step did, for the rows. */
typedef struct {
    uint64_t in, out, filtered, aborted, lost, stamped_ns;
} ib_tally;

struct ib_job {
    ib_step step;
    ib_party *rx[IB_MOST_LANES], *tx[IB_MOST_LANES];
    int rxs, txs;
    ib_stage_fn handle; /* NULL: as it is */
    ib_param param;
    int drop;    /* a message that finds its lane full is lost and counted; else it waits */
    int marks;   /* tell downstream by watermarks what nothing comes of */
    int queue;   /* a router: each message to one lane; else to each */
    int keyed;   /* a generator: the lane is the CRC-32C of the message's bytes at key_at, modulo lanes; else in turn */
    int ordered; /* a merge: by origin, ingress, input; else in turn */
    uint8_t *row;
    /* generator */
    uint64_t count, next, size, text_at, period, key_at, key_length;
    const uint8_t *text;
    uint8_t digits[16];
    /* state; an origin is kept plus one, 0: none yet */
    int finished[IB_MOST_LANES];   /* of rx */
    uint64_t floor[IB_MOST_LANES]; /* of rx: nothing lower follows */
    uint64_t at[IB_MOST_LANES];    /* of tx: the next sequence of rx[0] for that lane */
    uint64_t told[IB_MOST_LANES];  /* of tx: what its readers know of the floor */
    uint32_t turn;
    int pending; /* a foreign job that still holds results */
    int done;
    uint64_t failed_at;
    uint32_t failed_length, failed_limit; /* of a message that does not fit */
    uint64_t busy_ns, now_ns; /* now_ns: the clock as this step has read it, 0 when it has not */
    ib_run *runs; /* choices of this step; NULL: nobody asks. Room for IB_MOST_RUNS */
    uint32_t run_count;
    void *context;
};
#define IB_MOST_RUNS 8256

struct ib_worker {
    ib_job *jobs;
    int job_count;
    uint64_t max_batch;
    int strategy;
    uint64_t began_ns, ticked_ns, last_ns;
    uint32_t idle_rounds;
    uint64_t idle_since_ns;
    int at; /* the job that ended the work, or that has just ended */
    void (*tell)(ib_worker *w, ib_job *j); /* hear the runs of a step */
    void *context;
    /* cells to sleep on, armed one pass before */
    int armed;
    ib_cell *cells[128];
    uint32_t seen[128];
    int cell_count;
};

#define IB_JOB_ENDED 100 /* worker->at has handed everything on: close its streams, then go on */

/* Runs until a job ends (IB_JOB_ENDED), all have ended (IB_FINISHED), something fails, or it is time to look
 * around (IB_TICK). */
int ib_work(ib_worker *w);
void ib_job_begin(ib_job *j);
void ib_work_tick(ib_worker *w, uint64_t now);
int64_t ib_step_in_place(ib_worker *w, ib_job *j);
int64_t ib_step_route(ib_worker *w, ib_job *j);
int64_t ib_step_merge(ib_worker *w, ib_job *j);
int64_t ib_step_generate(ib_worker *w, ib_job *j);
int64_t ib_step_discard(ib_worker *w, ib_job *j);

/* For steps elsewhere. */
int ib_job_look(ib_job *j, int i, uint64_t from, uint64_t *ready); /* IB_OK, also with none; else ends the work */
void ib_job_count(ib_job *j, const ib_tally *t);
int64_t ib_job_tell(ib_job *j, uint64_t floor);
void ib_job_lose(ib_job *j, ib_party *tx, ib_tally *t, uint64_t n);
ib_slot *ib_job_claim(ib_party *tx, int *code); /* one slot of any lane, NULL when full or with a code */
void ib_job_publish(ib_party *tx);              /* the slot that ib_job_claim gave */
void ib_job_hand_on(ib_job *j, int lane, uint64_t first, uint64_t used, uint64_t reserved);

/* 0: go on; else the code with which a lane that takes no more ends the work. */
static inline int ib_job_unusable(int code) {
    return code == IB_TIMEOUT || code == IB_STOPPED || code == IB_OK ? 0 : code;
}

/* Room in `tx` for up to `want` messages, claimed where the lane is shared; 0 when full or with a code. */
static inline uint64_t ib_job_reserve(ib_party *tx, uint64_t want, int *code) {
    uint64_t room = ib_free(tx, code);
    if (room > want) room = want;
    if (room && tx->mpsc) {
        room = ib_mpsc_claim(tx, room);
        if (room == UINT64_MAX) *code = IB_CORRUPT;
    }
    *code = ib_job_unusable(*code);
    return *code ? 0 : room;
}

#endif
