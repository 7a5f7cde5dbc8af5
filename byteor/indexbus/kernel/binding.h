/* What the binding's files share: Python.h in its limited form, and the handle that wraps a party. */
#ifndef IB_BINDING_H
#define IB_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "core.h"

#define IB_BYTES_AT 32 /* see ready() in module.c */

typedef struct {
    PyObject_HEAD
    Py_buffer map;  /* keeps the mapping from going while we point into it */
    Py_buffer rows; /* the metrics region, when a row is attached */
    Py_buffer lane_rows;
    ib_party p;
    union { /* one word, so that publishing one message takes one look */
        struct {
            uint8_t open;
            uint8_t busy;    /* a call is waiting without the GIL: nobody else may come in */
            uint8_t plain;   /* one producer, one cell to publish, no fence, slots of 64 bytes or more */
            uint8_t counted; /* a row is attached */
            uint32_t forks;  /* ib_forks when it was made: a forked child must not use it */
        };
        uint64_t ready; /* ib_ready: publishing may take the short way */
    };
    int ended;         /* code of the last call that ended early */
    uint64_t filtered; /* slots skipped by receiving calls */
    uint64_t batch;    /* peeked and not yet advanced */
    PyObject *views;   /* list: every memoryview handed out of the batch */
    Py_ssize_t exports;
    uint8_t *view_at;
    Py_ssize_t view_bytes;
} ib_handle;

extern PyType_Spec ib_producer_spec, ib_consumer_spec;
extern PyTypeObject *ib_producer_type, *ib_consumer_type;
PyObject *ib_host_work(PyObject *self, PyObject *args);

/* Raise IndexBusError(code, ...) through byteor.indexbus.errors. Always returns NULL. */
PyObject *ib_raise(const char *code, const char *message);
PyObject *ib_raise_oversize(Py_ssize_t index, Py_ssize_t length, uint32_t limit);
PyObject *ib_raise_ended(ib_handle *h, int code); /* for IB_DEAD and IB_CORRUPT */

extern uint64_t ib_ready;
extern uint32_t ib_forks; /* how often this process came out of a fork, as the child */
int ib_handle_enter(ib_handle *h); /* -1 and an error when closed or in use */
PyObject *ib_handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs, int producer);
void ib_handle_dealloc(PyObject *self);
PyObject *ib_producer_free(PyObject *self, PyObject *ignored);
PyObject *ib_producer_put(PyObject *self, PyObject *args);
PyObject *ib_producer_dropped(PyObject *self, PyObject *args);
PyObject *ib_producer_record_turns(PyObject *self, PyObject *ignored);
PyObject *ib_producer_turns(PyObject *self, PyObject *ignored);
int ib_handle_room(ib_handle *h, uint64_t want, int64_t timeout_ns); /* waits; -1 error, else code */
int ib_timeout(PyObject *seconds, int64_t *ns);
int ib_inside(const Py_buffer *map, unsigned long long at, unsigned long long bytes); /* 0 and an error when not */

PyObject *ib_py_populate(PyObject *self, PyObject *args);
PyObject *ib_py_record_write(PyObject *self, PyObject *args);
PyObject *ib_py_record_sizes(PyObject *self, PyObject *args);
PyObject *ib_py_record_write_many(PyObject *self, PyObject *args);
PyObject *ib_py_record_join(PyObject *self, PyObject *args);
PyObject *ib_py_sync_range(PyObject *self, PyObject *args);
PyObject *ib_py_record_read(PyObject *self, PyObject *args);

PyObject *ib_handle_stop(PyObject *self, PyObject *ignored);
PyObject *ib_handle_release(PyObject *self, PyObject *ignored);
PyObject *ib_handle_set_row(PyObject *self, PyObject *args);
PyObject *ib_handle_set_lane_row(PyObject *self, PyObject *args);
PyObject *ib_handle_beat(PyObject *self, PyObject *ignored);
PyObject *ib_handle_idled(PyObject *self, PyObject *ns);
PyObject *ib_handle_look_around(PyObject *self, PyObject *ignored);
PyObject *ib_handle_get_stopped(PyObject *self, void *closure);
PyObject *ib_handle_get_sequence(PyObject *self, void *closure);
PyObject *ib_handle_get_ended(PyObject *self, void *closure);
PyObject *ib_handle_get_filtered(PyObject *self, void *closure);
PyObject *ib_handle_get_aborted(PyObject *self, void *closure);

#define IB_HANDLE_METHODS                                                                                   \
    {"stop", ib_handle_stop, METH_NOARGS, "Make this handle's waits end, from any thread."},                \
    {"_release", ib_handle_release, METH_NOARGS, "Let go of the mapping."},                                 \
    {"_set_row", ib_handle_set_row, METH_VARARGS, "(buffer, offset): count into this metrics row."},        \
    {"look_around", ib_handle_look_around, METH_NOARGS, "Raise E_PEER_DEAD when a peer died that this handle needs."}, \
    {"idled", ib_handle_idled, METH_O, "(ns): this worker has waited elsewhere, which is not work."},         \
    {"beat", ib_handle_beat, METH_NOARGS, "Show a sign of life in the metrics row."}

#define IB_HANDLE_GETTERS                                                                                   \
    {"sequence", ib_handle_get_sequence, NULL, "The sequence that this handle handles next.", NULL},        \
    {"stopped", ib_handle_get_stopped, NULL, "Whether stop() was called.", NULL},                           \
    {"_ended", ib_handle_get_ended, NULL, "Code of the last early end.", NULL},                             \
    {"filtered", ib_handle_get_filtered, NULL, "Filtered slots that receiving calls have skipped.", NULL},  \
    {"aborted_slots", ib_handle_get_aborted, NULL, "Slots of dead claimants (MPSC) that were skipped.", NULL}

#endif
