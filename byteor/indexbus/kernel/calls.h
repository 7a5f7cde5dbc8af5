/* Jobs that call Python: what a worker of the binding knows of them. */
#ifndef IB_CALLS_H
#define IB_CALLS_H

#include "consumer.h"
#include "work.h"

#define IB_MOST_BATCH 4096

/* How a job calls. */
enum { IB_CALL_NOT = 0, IB_CALL_EACH = 1, IB_CALL_BATCH = 2, IB_CALL_VIEWS = 3 };

typedef struct {
    ib_handle *rx;
    PyObject *function; /* borrowed from the job's description, as all objects here */
    int how;
    int slow;          /* a message takes so long that progress is shown one by one */
    PyObject *pending; /* list of (bytes, ingress, origin): results that found no room */
    Py_ssize_t pending_at;
    PyObject *choices;
} ib_call;

typedef struct {
    PyThreadState *state; /* saved while the worker runs without the GIL */
    PyObject *error;      /* what ended the work; NULL with a set exception: goes on up */
    int raised;
} ib_host;

int64_t ib_step_call_in_place(ib_worker *w, ib_job *j);
int64_t ib_step_call_through(ib_worker *w, ib_job *j);

#endif
