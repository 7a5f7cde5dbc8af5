/* The loops: a Python callable per message or per batch, and native stages with the GIL released. */
#include "consumer.h"

#include <string.h>

#define SLOW_NS 2000 /* above this a message, progress is shown message by message */

static PyObject *end(ib_handle *h, int code, PyObject *error) {
    h->busy = 0;
    PyObject *result = Py_BuildValue("(iKO)", code, (unsigned long long)h->p.next, error ? error : Py_None);
    Py_XDECREF(error);
    return result;
}

/* The pending exception as an object, or NULL when it must go on up (KeyboardInterrupt, SystemExit). */
PyObject *ib_take_error(void) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return NULL;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace) PyException_SetTraceback(value, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

static PyObject *end_error(ib_handle *h, int code) {
    PyObject *error = ib_take_error();
    if (!error) {
        h->busy = 0;
        return NULL;
    }
    ib_row_add(&h->p, IB_METRICS_ROW_ERRORS, 1);
    return end(h, code, error);
}

/* Waits for messages within a loop; 0: *result is what the loop returns. */
static int64_t loop_wait(ib_handle *h, uint64_t max, PyObject **result) {
    int code;
    if (__atomic_load_n(&h->p.stop, __ATOMIC_RELAXED)) {
        *result = end(h, IB_STOPPED, NULL);
        return 0;
    }
    h->ended = IB_OK;
    int64_t n = ib_consumer_wait(h, max, -1, &code);
    if (n > 0) {
        h->busy = 1;
        return n;
    }
    if (n == 0) {
        *result = end(h, code, NULL);
    } else if (h->ended == IB_DEAD || h->ended == IB_CORRUPT) {
        *result = end_error(h, h->ended);
    } else {
        h->busy = 0;
        *result = NULL;
    }
    return 0;
}

/* Put a result into its slot: None filters, the same object leaves it, bytes replace it. IB_OK or a code. */
int ib_settle(ib_handle *h, ib_slot *slot, PyObject *given, PyObject *result) {
    if (result == given) return IB_OK;
    if (result == Py_None) {
        slot->flags |= IB_FILTERED;
        return IB_OK;
    }
    Py_buffer view;
    if (IB_LIKELY(PyBytes_CheckExact(result))) {
        view.buf = PyBytes_AsString(result);
        view.len = PyBytes_Size(result);
        view.obj = NULL;
    } else if (PyObject_GetBuffer(result, &view, PyBUF_SIMPLE) != 0) {
        return IB_STAGE_ERROR;
    }
    int code = IB_OK;
    if (view.len > (Py_ssize_t)h->p.slot_bytes) {
        ib_raise_oversize((Py_ssize_t)0, view.len, h->p.slot_bytes);
        code = IB_TOO_LONG;
    } else {
        memmove(slot->payload, view.buf, (size_t)view.len);
        slot->length = (uint32_t)view.len;
    }
    if (view.obj) PyBuffer_Release(&view);
    return code;
}

/* Progress of a loop: messages done since the last publication of the cell. */
typedef struct {
    uint64_t done, skipped, filtered, marks;
} progress;

static void flush(ib_handle *h, progress *g) {
    ib_publish(&h->p, h->p.next + g->done);
    ib_row_add(&h->p, IB_METRICS_ROW_IN, g->done - g->marks);
    ib_row_add(&h->p, IB_METRICS_ROW_OUT, g->done - g->skipped - g->filtered);
    ib_row_add(&h->p, IB_METRICS_ROW_FILTERED, g->filtered);
    *g = (progress){0, 0, 0, 0};
}

static int drive_one(ib_handle *h, PyObject *callable, ib_slot *slot, progress *g) {
    PyObject *given = ib_consumer_bytes(&h->p, slot);
    if (!given) return IB_STAGE_ERROR;
    PyObject *result = PyObject_CallFunctionObjArgs(callable, given, NULL);
    int code = result ? ib_settle(h, slot, given, result) : IB_STAGE_ERROR;
    if (code == IB_OK && result == Py_None) g->filtered++;
    Py_XDECREF(result);
    Py_DECREF(given);
    return code;
}

PyObject *ib_drive(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    ib_party *p = &h->p;
    PyObject *callable, *result;
    unsigned long long max = 256;
    int slow = 1, code;
    if (!PyArg_ParseTuple(args, "O|K", &callable, &max) || ib_handle_enter(h) != 0) return NULL;
    for (;;) {
        int64_t n = loop_wait(h, max, &result);
        if (!n) return result;
        uint64_t start = ib_clock_ns();
        progress g = {0, 0, 0, 0};
        for (int64_t i = 0; i < n; i++) {
            uint64_t sequence = p->next + g.done;
            ib_slot *slot = ib_consumer_slot(h, sequence);
            uint16_t flags = slot ? slot->flags : 0;
            if (IB_UNLIKELY(!slot)) {
                code = IB_CORRUPT;
            } else if (IB_UNLIKELY(flags & IB_SKIP)) {
                g.skipped++;
                g.marks += (flags & IB_WATERMARK) != 0;
                code = IB_OK;
            } else {
                ib_row_hand(p->row, sequence);
                code = drive_one(h, callable, slot, &g);
            }
            if (IB_UNLIKELY(code != IB_OK)) {
                flush(h, &g);
                return end_error(h, code);
            }
            g.done++;
            if (IB_UNLIKELY(flags & IB_STAMPED)) ib_row_latency(p, sequence);
            if (slow || g.done >= 32) flush(h, &g);
            if (slow) {
                uint64_t now = ib_clock_ns();
                if (now - p->ticked_ns >= (uint64_t)IB_TICK_NS) ib_row_tick(p, now);
                /* An abort or stop must not wait for a whole batch of a slow stage. */
                if ((ib_load32(&p->stream->state) & IB_ABORTED_STREAM) || __atomic_load_n(&p->stop, __ATOMIC_RELAXED)) break;
            }
        }
        flush(h, &g);
        uint64_t now = ib_clock_ns();
        slow = now - start > (uint64_t)n * SLOW_NS;
        ib_row_add(p, IB_METRICS_ROW_BATCHES, 1);
        ib_row_max(p, IB_METRICS_ROW_BATCH_MAX, (uint64_t)n);
        if (now - p->ticked_ns >= (uint64_t)IB_TICK_NS) ib_row_tick(p, now);
    }
}

/* The batch as a list: bytes or views, without filtered messages; indexes[k] is the k-th item's place. */
PyObject *ib_gather(ib_handle *h, uint64_t n, int as_views, uint32_t *indexes, uint64_t *marks) {
    PyObject *list = PyList_New(0);
    Py_ssize_t kept = 0;
    for (uint64_t i = 0; list && i < n; i++) {
        ib_slot *slot = ib_consumer_slot(h, h->p.next + i);
        if (slot && slot->flags & IB_SKIP) {
            *marks += (slot->flags & IB_WATERMARK) != 0;
            continue;
        }
        PyObject *one = !slot       ? NULL
                        : as_views ? ib_consumer_view(h, slot->payload, (Py_ssize_t)ib_length(slot, h->p.slot_bytes))
                                   : ib_consumer_bytes(&h->p, slot);
        if (!one || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
        indexes[kept++] = (uint32_t)i;
    }
    return list;
}

int ib_settle_batch(ib_handle *h, PyObject *given, PyObject *results, const uint32_t *indexes, uint64_t *failed, uint64_t *filtered) {
    *failed = 0;
    if (results == Py_None) return IB_OK; /* changed in place, or left alone */
    PyObject *tuple = PySequence_Tuple(results);
    if (!tuple) return IB_STAGE_ERROR;
    Py_ssize_t n = PyList_Size(given);
    int code = IB_OK;
    if (PyTuple_Size(tuple) != n) {
        PyErr_Format(PyExc_ValueError, "a batch of %zd messages gave %zd results", n, PyTuple_Size(tuple));
        code = IB_STAGE_ERROR;
    }
    for (Py_ssize_t k = 0; code == IB_OK && k < n; k++) {
        *failed = indexes[k];
        PyObject *result = PyTuple_GetItem(tuple, k);
        code = ib_settle(h, ib_at(&h->p, h->p.next + indexes[k]), PyList_GetItem(given, k), result);
        *filtered += code == IB_OK && result == Py_None;
    }
    Py_DECREF(tuple);
    return code;
}

PyObject *ib_drive_batch(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    ib_party *p = &h->p;
    PyObject *callable, *result;
    unsigned long long max = 256;
    int as_views = 0;
    uint32_t indexes[4096];
    if (!PyArg_ParseTuple(args, "O|Kp", &callable, &max, &as_views) || ib_handle_enter(h) != 0) return NULL;
    if (max > 4096) max = 4096;
    for (;;) {
        int64_t n = loop_wait(h, max, &result);
        if (!n) return result;
        uint64_t failed = 0, filtered = 0, marks = 0;
        PyObject *given = ib_gather(h, (uint64_t)n, as_views, indexes, &marks);
        if (!given) return end_error(h, IB_CORRUPT);
        int code = IB_OK;
        Py_ssize_t kept = PyList_Size(given);
        if (kept) {
            ib_row_hand(p->row, p->next + indexes[0]);
            PyObject *results = PyObject_CallFunctionObjArgs(callable, given, NULL);
            code = results ? ib_settle_batch(h, given, results, indexes, &failed, &filtered) : IB_STAGE_ERROR;
            Py_XDECREF(results);
        }
        Py_DECREF(given);
        if (code == IB_OK && as_views && ib_consumer_revoke(h) != 0) code = IB_STAGE_ERROR;
        uint64_t done = code == IB_OK ? (uint64_t)n : failed;
        for (uint64_t i = 0; i < done; i++)
            if (IB_UNLIKELY(ib_at(p, p->next + i)->flags & IB_STAMPED)) ib_row_latency(p, p->next + i);
        ib_publish(p, p->next + done);
        if (code != IB_OK) {
            ib_row_add(p, IB_METRICS_ROW_IN, done);
            return end_error(h, code);
        }
        ib_row_batch(p, (uint64_t)n - marks, (uint64_t)kept - filtered, filtered);
        uint64_t now = ib_clock_ns();
        if (now - p->ticked_ns >= (uint64_t)IB_TICK_NS) ib_row_tick(p, now);
    }
}

PyObject *ib_run_native(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    int kind, code;
    Py_buffer text;
    unsigned long long max = 256;
    if (!PyArg_ParseTuple(args, "iy*|K", &kind, &text, &max)) return NULL;
    PyObject *result = NULL;
    if (ib_handle_enter(h) != 0) goto out;
    if (kind < 0 || kind >= ib_stage_count || max < 1) {
        PyErr_SetString(PyExc_ValueError, "no such native stage");
        goto out;
    }
    ib_param param = {text.buf, (size_t)text.len};
    do {
        h->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        code = ib_run_stage(&h->p, ib_stages[kind].handle, &param, max);
        Py_END_ALLOW_THREADS
        h->busy = 0;
    } while (code == IB_TICK && PyErr_CheckSignals() == 0);
    if (code == IB_TICK) goto out;
    h->ended = code;
    if (code == IB_DEAD || code == IB_CORRUPT) {
        ib_raise_ended(h, code);
        result = end_error(h, code);
    } else {
        result = end(h, code, NULL);
    }
out:
    PyBuffer_Release(&text);
    return result;
}
