/* The steps of jobs that call Python, a batch at a time with the GIL: in the slots of a ring, and lane to lane. */
#include "calls.h"

#include <string.h>

#define SLOW_NS 2000 /* above this a message, progress is shown message by message */

static void take_gil(ib_worker *w) { PyEval_RestoreThread(((ib_host *)w->context)->state); }
static void give_gil(ib_worker *w) { ((ib_host *)w->context)->state = PyEval_SaveThread(); }

/* The pending exception becomes the reason why the work ends. */
static int failed(ib_worker *w, ib_job *j, int code) {
    ib_host *host = w->context;
    host->error = ib_take_error();
    host->raised = host->error == NULL;
    if (j->row) __atomic_fetch_add((uint64_t *)(j->row + IB_METRICS_ROW_ERRORS), 1, __ATOMIC_RELAXED);
    return code;
}

static int over(const ib_party *p) { return (ib_load32(&p->stream->state) & IB_ABORTED_STREAM) || __atomic_load_n(&p->stop, __ATOMIC_RELAXED); }

/* In a slow batch: rows show life, and an abort or stop is seen between two messages. */
static int look_up(ib_worker *w, const ib_party *p) {
    uint64_t now = ib_clock_ns();
    if (now - w->ticked_ns >= (uint64_t)IB_TICK_NS) ib_work_tick(w, now);
    return over(p);
}

/* -- in place */

static int64_t each_in_place(ib_worker *w, ib_job *j, uint64_t n) {
    ib_call *call = j->context;
    ib_handle *h = call->rx;
    ib_party *p = j->rx[0];
    uint64_t first = p->next, done = 0, passed = 0, marks = 0, started = ib_clock_ns();
    ib_tally t = {0, 0, 0, 0, 0, 0};
    int code = IB_OK;
    for (; done < n; done++) {
        ib_slot *slot = ib_consumer_slot(h, first + done);
        uint16_t flags = slot ? slot->flags : 0;
        if (IB_UNLIKELY(!slot)) {
            code = IB_CORRUPT;
            break;
        }
        if (IB_UNLIKELY(flags & IB_SKIP)) {
            passed += !(flags & IB_WATERMARK);
            marks += (flags & IB_WATERMARK) != 0;
            continue;
        }
        ib_row_hand(j->row, first + done);
        PyObject *given = ib_consumer_bytes(p, slot);
        PyObject *result = given ? PyObject_CallFunctionObjArgs(call->function, given, NULL) : NULL;
        code = result ? ib_settle(h, slot, given, result) : IB_STAGE_ERROR;
        t.filtered += code == IB_OK && result == Py_None;
        Py_XDECREF(result);
        Py_XDECREF(given);
        if (IB_UNLIKELY(code != IB_OK)) break;
        t.out++;
        if (IB_UNLIKELY(flags & IB_STAMPED)) t.stamped_ns = ib_stamp_of(p, first + done);
        if (call->slow) {
            ib_publish(p, first + done + 1);
            if (look_up(w, p)) {
                done++;
                break;
            }
        } else if ((done & 31) == 31) {
            ib_publish(p, first + done + 1);
        }
    }
    ib_publish(p, first + done);
    t.in = done - marks;
    t.out -= t.filtered;
    (void)passed;
    ib_job_count(j, &t);
    call->slow = ib_clock_ns() - started > (done + 1) * SLOW_NS;
    j->failed_at = first + done;
    return code == IB_OK ? (int64_t)done : -(int64_t)failed(w, j, code);
}

static int64_t batch_in_place(ib_worker *w, ib_job *j, uint64_t n) {
    ib_call *call = j->context;
    ib_handle *h = call->rx;
    ib_party *p = j->rx[0];
    uint32_t indexes[IB_MOST_BATCH];
    uint64_t wrong = 0, marks = 0, first = p->next;
    ib_tally t = {0, 0, 0, 0, 0, 0};
    int code = IB_OK;
    PyObject *given = ib_gather(h, n, call->how == IB_CALL_VIEWS, indexes, &marks);
    if (!given) return -(int64_t)failed(w, j, IB_CORRUPT);
    uint64_t kept = (uint64_t)PyList_Size(given);
    if (kept) {
        ib_row_hand(j->row, first + indexes[0]);
        PyObject *results = PyObject_CallFunctionObjArgs(call->function, given, NULL);
        code = results ? ib_settle_batch(h, given, results, indexes, &wrong, &t.filtered) : IB_STAGE_ERROR;
        Py_XDECREF(results);
    }
    Py_DECREF(given);
    if (code == IB_OK && call->how == IB_CALL_VIEWS && ib_consumer_revoke(h) != 0) code = IB_STAGE_ERROR;
    uint64_t done = code == IB_OK ? n : wrong;
    for (uint64_t i = 0; i < done; i++)
        if (IB_UNLIKELY(ib_at(p, first + i)->flags & IB_STAMPED)) t.stamped_ns = ib_stamp_of(p, first + i);
    ib_publish(p, first + done);
    t.in = done - (code == IB_OK ? marks : 0);
    t.out = code == IB_OK ? kept - t.filtered : 0;
    ib_job_count(j, &t);
    j->failed_at = first + done;
    return code == IB_OK ? (int64_t)n : -(int64_t)failed(w, j, code);
}

int64_t ib_step_call_in_place(ib_worker *w, ib_job *j) {
    uint64_t n;
    int code = ib_job_look(j, 0, j->rx[0]->next, &n);
    if (code != IB_OK) return -code;
    if (!n) return 0;
    if (n > w->max_batch) n = w->max_batch;
    take_gil(w);
    int64_t moved = ((ib_call *)j->context)->how == IB_CALL_EACH ? each_in_place(w, j, n) : batch_in_place(w, j, n);
    give_gil(w);
    return moved;
}

/* -- lane to lane */

/* Results on their way into the lane: filled slots that are not published yet. */
typedef struct {
    ib_job *j;
    ib_party *tx; /* NULL: nowhere */
    uint64_t room, used;
    ib_tally t;
    int code;
} outlet;

static void flush(outlet *o) {
    if (!o->tx || !o->used) return;
    ib_job_hand_on(o->j, 0, o->tx->next, o->used, o->used);
    o->room -= o->used;
    o->used = 0;
}

/* A slot for the next result; NULL when the lane is full or, with o->code, of no use. */
static ib_slot *next_slot(outlet *o) {
    if (o->tx->mpsc) return ib_job_claim(o->tx, &o->code);
    if (o->used == o->room) {
        flush(o);
        int code;
        o->room = ib_free(o->tx, &code);
        o->code = o->room ? IB_OK : ib_job_unusable(code);
    }
    return o->used < o->room ? ib_at(o->tx, o->tx->next + o->used) : NULL;
}

/* One message into the lane: 1 done (or lost and counted), 0 full, -1 an error. */
static int put(outlet *o, const void *data, Py_ssize_t length, uint16_t ingress, uint64_t origin, uint64_t stamp_ns) {
    if (IB_UNLIKELY(length > (Py_ssize_t)o->tx->slot_bytes)) {
        ib_raise_oversize(0, length, o->tx->slot_bytes);
        o->code = IB_TOO_LONG;
        return -1;
    }
    ib_slot *slot = next_slot(o);
    if (o->code != IB_OK) return -1;
    if (!slot) {
        if (!o->j->drop) return 0;
        ib_job_lose(o->j, o->tx, &o->t, 1);
        return 1;
    }
    slot->length = (uint32_t)length;
    slot->flags = 0;
    slot->ingress = ingress;
    slot->origin = origin;
    ib_copy(slot->payload, data, (size_t)length);
    if (IB_UNLIKELY(stamp_ns)) ib_stamp_with(o->tx, o->tx->next + o->used, stamp_ns);
    if (o->tx->mpsc) ib_job_hand_on(o->j, 0, o->tx->next, 1, 1);
    else o->used++;
    o->t.out++;
    return 1;
}

static int keep(ib_call *call, PyObject *result, const ib_slot *from) {
    PyObject *bytes = PyBytes_FromObject(result);
    PyObject *item = bytes ? Py_BuildValue("(NIK)", bytes, (unsigned)from->ingress, (unsigned long long)from->origin) : NULL;
    int bad = !item || PyList_Append(call->pending, item) != 0;
    Py_XDECREF(item);
    return bad ? IB_STAGE_ERROR : IB_OK;
}

/* One result that is a message. */
static int one_result(outlet *o, PyObject *result, const ib_slot *from, uint64_t stamp_ns) {
    ib_call *call = o->j->context;
    Py_buffer view;
    if (IB_LIKELY(PyBytes_CheckExact(result))) {
        PyBytes_AsStringAndSize(result, (char **)&view.buf, &view.len);
        view.obj = NULL;
    } else if (PyUnicode_Check(result) || PyObject_GetBuffer(result, &view, PyBUF_SIMPLE) != 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a bytes-like object is required, not 'str'");
        return IB_STAGE_ERROR;
    }
    int done = o->j->pending ? 0 : put(o, view.buf, view.len, from->ingress, from->origin, stamp_ns);
    int code = done < 0 ? o->code : IB_OK;
    if (done == 0 && view.len > (Py_ssize_t)o->tx->slot_bytes) {
        ib_raise_oversize(0, view.len, o->tx->slot_bytes);
        code = IB_TOO_LONG;
    } else if (done == 0) {
        code = keep(call, result, from);
        o->j->pending = 1;
        o->t.out++;
    }
    if (view.obj) PyBuffer_Release(&view);
    return code;
}

/* What came of one message: None, a message, or a list of them. */
static int settle(outlet *o, PyObject *result, const ib_slot *from, uint64_t stamp_ns) {
    if (!o->tx) {
        o->t.out++;
        return IB_OK;
    }
    if (result == Py_None) {
        o->t.filtered++;
        return IB_OK;
    }
    if (IB_LIKELY(PyBytes_CheckExact(result)) || !(PyList_Check(result) || PyTuple_Check(result))) return one_result(o, result, from, stamp_ns);
    PyObject *all = PySequence_Tuple(result);
    Py_ssize_t n = all ? PyTuple_Size(all) : 0;
    int code = all ? IB_OK : IB_STAGE_ERROR;
    if (all && !n) o->t.filtered++;
    for (Py_ssize_t i = 0; code == IB_OK && i < n; i++) code = one_result(o, PyTuple_GetItem(all, i), from, i ? 0 : stamp_ns);
    Py_XDECREF(all);
    return code;
}

static inline void seen(ib_job *j, const ib_slot *slot) {
    if (slot->origin + 1 > j->floor[0]) j->floor[0] = slot->origin + 1;
}

static int skipped(outlet *o, const ib_slot *slot) {
    if (!(slot->flags & IB_SKIP)) return 0;
    o->t.aborted += (slot->flags & IB_ABORTED) != 0;
    o->t.in += (slot->flags & IB_ABORTED) != 0;
    return 1;
}

static uint64_t each_through(ib_worker *w, outlet *o, uint64_t n, int *code) {
    ib_job *j = o->j;
    ib_call *call = j->context;
    ib_party *rx = j->rx[0];
    uint64_t first = rx->next, done = 0, started = ib_clock_ns();
    for (; done < n && !j->pending; done++) {
        ib_slot *slot = ib_consumer_slot(call->rx, first + done);
        if (IB_UNLIKELY(!slot)) {
            *code = IB_CORRUPT;
            break;
        }
        if (IB_LIKELY(!skipped(o, slot))) {
            uint64_t stamp = slot->flags & IB_STAMPED ? ib_stamp_of(rx, first + done) : 0;
            ib_row_hand(j->row, first + done);
            PyObject *given = ib_consumer_bytes(rx, slot);
            PyObject *result = given ? PyObject_CallFunctionObjArgs(call->function, given, NULL) : NULL;
            *code = result ? settle(o, result, slot, stamp) : IB_STAGE_ERROR;
            Py_XDECREF(result);
            Py_XDECREF(given);
            if (IB_UNLIKELY(*code != IB_OK)) break;
            o->t.in++;
            if (IB_UNLIKELY(stamp)) o->t.stamped_ns = stamp;
        }
        seen(j, slot);
        if (call->slow) {
            flush(o);
            if (!j->pending) ib_publish(rx, first + done + 1);
            if (look_up(w, rx)) {
                done++;
                break;
            }
        }
    }
    call->slow = ib_clock_ns() - started > (done + 1) * SLOW_NS;
    return first + done;
}

static PyObject *copy_of(const ib_party *rx, const ib_slot *slot, int writable) {
    if (!writable) return ib_consumer_bytes(rx, slot);
    PyObject *array = PyByteArray_FromStringAndSize((const char *)slot->payload, (Py_ssize_t)ib_length(slot, rx->slot_bytes));
    PyObject *view = array ? PyMemoryView_FromObject(array) : NULL;
    Py_XDECREF(array);
    return view;
}

static uint64_t batch_through(outlet *o, uint64_t n, int *code) {
    ib_job *j = o->j;
    ib_call *call = j->context;
    ib_party *rx = j->rx[0];
    uint64_t first = rx->next, done = 0, skip = 0; /* of the batch's beginning */
    PyObject *given = PyList_New(0), *results = NULL, *all = NULL;
    for (uint64_t i = 0; given && i < n; i++) {
        ib_slot *slot = ib_consumer_slot(call->rx, first + i);
        if (slot && slot->flags & IB_SKIP) {
            skip += skip == i;
            continue;
        }
        PyObject *one = slot ? copy_of(rx, slot, call->how == IB_CALL_VIEWS) : NULL;
        if (!one || PyList_Append(given, one) != 0) Py_CLEAR(given);
        Py_XDECREF(one);
    }
    Py_ssize_t count = given ? PyList_Size(given) : 0, k = 0;
    PyObject *kept = given ? PySequence_Tuple(given) : NULL; /* the function may change its list */
    if (count) {
        ib_row_hand(j->row, first + skip);
        results = PyObject_CallFunctionObjArgs(call->function, given, NULL);
    }
    if (results) all = PySequence_Tuple(results == Py_None ? kept : results);
    if (!kept || (count && !all)) {
        *code = given && kept ? IB_STAGE_ERROR : IB_CORRUPT;
    } else if (all && PyTuple_Size(all) != count) {
        PyErr_Format(PyExc_ValueError, "a batch of %zd messages gave %zd results", count, PyTuple_Size(all));
        *code = IB_STAGE_ERROR;
    }
    if (*code != IB_OK) { /* all of them are at fault: the first that was given stands for them */
        while (done < n && ib_at(rx, first + done)->flags & IB_SKIP) done++;
        n = done;
    }
    for (; done < n; done++) {
        ib_slot *slot = ib_at(rx, first + done);
        if (!skipped(o, slot)) {
            uint64_t stamp = slot->flags & IB_STAMPED ? ib_stamp_of(rx, first + done) : 0;
            *code = settle(o, PyTuple_GetItem(all, k++), slot, stamp);
            if (*code != IB_OK) break;
            o->t.in++;
            if (stamp) o->t.stamped_ns = stamp;
        }
        seen(j, slot);
    }
    Py_XDECREF(all);
    Py_XDECREF(results);
    Py_XDECREF(kept);
    Py_XDECREF(given);
    return first + done;
}

/* Results that found no room before; 0: some still do not. */
static int settle_pending(outlet *o) {
    ib_call *call = o->j->context;
    Py_ssize_t n = PyList_Size(call->pending);
    uint64_t out = o->t.out;
    for (; call->pending_at < n; call->pending_at++) {
        unsigned ingress;
        unsigned long long origin;
        const char *data;
        Py_ssize_t length;
        if (!PyArg_ParseTuple(PyList_GetItem(call->pending, call->pending_at), "y#IK", &data, &length, &ingress, &origin)) return -1;
        int done = put(o, data, length, (uint16_t)ingress, origin, 0);
        if (done < 0) return -1;
        if (!done) break;
    }
    o->t.out = out; /* counted when they were made */
    if (call->pending_at < n) return 0;
    o->j->pending = 0;
    call->pending_at = 0;
    return PyList_SetSlice(call->pending, 0, n, NULL) == 0 ? 1 : -1;
}

int64_t ib_step_call_through(ib_worker *w, ib_job *j) {
    ib_call *call = j->context;
    ib_party *rx = j->rx[0];
    outlet o = {j, j->txs ? j->tx[0] : NULL, 0, 0, {0, 0, 0, 0, 0, 0}, IB_OK};
    uint64_t n;
    int code = ib_job_look(j, 0, rx->next, &n), bad = IB_OK;
    if (code != IB_OK) return -code;
    if (n > w->max_batch) n = w->max_batch;
    if (o.tx) {
        o.room = ib_free(o.tx, &bad);
        if ((code = ib_job_unusable(bad))) return -code;
        if (!j->drop && !o.room) return 0;
        if (!j->drop && n > o.room) n = o.room;
        if (o.tx->mpsc) o.room = 0;
    }
    if (!n && !j->pending) return ib_job_tell(j, j->floor[0]);
    take_gil(w);
    int clear = j->pending ? settle_pending(&o) : 1;
    uint64_t from = rx->next, to = from;
    if (clear < 0) code = o.code != IB_OK ? o.code : IB_STAGE_ERROR;
    else if (clear && n) to = call->how == IB_CALL_EACH ? each_through(w, &o, n, &code) : batch_through(&o, n, &code);
    flush(&o);
    /* A slot is free when all that came of it lies in a lane: whoever looks at the cells misses nothing between two. */
    if (j->pending) rx->next = to;
    else ib_publish(rx, to);
    ib_job_count(j, &o.t);
    j->failed_at = to;
    /* The end of a lane is no exception; anything else is. */
    if (code != IB_OK && (PyErr_Occurred() || code != o.code)) failed(w, j, code);
    give_gil(w);
    if (code != IB_OK) return -code;
    int64_t told = j->pending ? 0 : ib_job_tell(j, j->floor[0]);
    return told < 0 ? told : (int64_t)(to - from) + told + (clear > 0 && to == from);
}
