/* The producing calls: one message, a list, a buffer of equal records; blocking and not. */
#include "binding.h"

#include <string.h>

#define CHUNK 512

typedef struct {
    const uint8_t *data;
    Py_ssize_t length;
} item;

static inline void fill(ib_party *p, uint64_t sequence, const void *data, size_t length, uint16_t ingress, uint64_t origin) {
    ib_slot *slot = ib_at(p, sequence);
    slot->length = (uint32_t)length;
    slot->flags = 0;
    slot->ingress = ingress;
    slot->origin = origin;
    ib_copy(slot->payload, data, length);
}

/* After a wait for room. A full ring empties as fast as its consumer goes; who takes each slot as it becomes free pays
 * for the consumer's line each time, and so does the consumer. So look again, while the room grows quickly, until an
 * eighth of the ring is free: some microseconds, in which the consumer has work. */
static void linger(ib_party *p) {
    uint64_t enough = p->capacity / 8, before = 0;
    for (int look = 0; look < 32; look++) {
        if (ib_await(p, p->next + 1, 0) != IB_OK) return;
        uint64_t n = p->limit - p->next;
        if (n >= enough || n < before + 4) return;
        before = n;
        for (int i = 0; i < 16; i++) ib_pause();
    }
}

/* Room for at least one message; 1 yes, 0 ended or full, -1 error. */
static inline int room(ib_handle *h, int64_t timeout_ns) {
    ib_party *p = &h->p;
    if (IB_UNLIKELY(__atomic_load_n(&p->stream->state, __ATOMIC_RELAXED) != IB_OPEN)) {
        h->ended = ib_load32(&p->stream->state) & IB_ABORTED_STREAM ? IB_ABORTED_END : IB_FINISHED;
        return 0;
    }
    if (p->mpsc) {
        p->next = ib_load(&p->cursor->value);
    } else if (IB_LIKELY(p->limit != p->next)) {
        return 1;
    }
    int code = ib_await(p, p->next + 1, 0);
    if (code == IB_TIMEOUT && timeout_ns != 0) {
        ib_row_add(p, IB_METRICS_ROW_FULL_WAITS, 1);
        code = ib_handle_room(h, 1, timeout_ns);
        if (code == IB_OK && !p->mpsc) linger(p);
    } else if (code == IB_CORRUPT) {
        ib_raise_ended(h, code);
        return -1;
    }
    if (code < 0) return -1;
    if (code != IB_OK) h->ended = code;
    return code == IB_OK;
}

static int options(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, uint16_t *ingress, uint64_t *origin, int *has_origin) {
    Py_ssize_t named = kwnames ? PyTuple_Size(kwnames) : 0;
    PyObject *values[2] = {nargs > 1 ? args[1] : NULL, nargs > 2 ? args[2] : NULL};
    if (nargs > 3 || nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "payload, ingress=0, origin=None");
        return -1;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(kwnames, i);
        int which = PyUnicode_CompareWithASCIIString(name, "ingress") == 0  ? 0
                    : PyUnicode_CompareWithASCIIString(name, "origin") == 0 ? 1
                                                                            : -1;
        if (which < 0 || values[which]) {
            PyErr_SetString(PyExc_TypeError, "payload, ingress=0, origin=None");
            return -1;
        }
        values[which] = args[nargs + i];
    }
    if (values[0]) {
        unsigned long value = PyLong_AsUnsignedLong(values[0]);
        if (PyErr_Occurred()) return -1;
        if (value > 0xFFFF) {
            PyErr_SetString(PyExc_ValueError, "ingress is 0 to 65535");
            return -1;
        }
        *ingress = (uint16_t)value;
    }
    if (values[1] && values[1] != Py_None) {
        *origin = PyLong_AsUnsignedLongLong(values[1]);
        if (PyErr_Occurred()) return -1;
        *has_origin = 1;
    }
    return 0;
}

/* Many producers: claim, fill, mark. Room is found by claiming; only a full lane waits. */
static Py_ssize_t publish_shared(ib_handle *h, const item *items, Py_ssize_t n, uint16_t ingress, uint64_t origin, int has_origin, int64_t timeout_ns) {
    ib_party *p = &h->p;
    Py_ssize_t done = 0;
    while (done < n) {
        if (IB_UNLIKELY(__atomic_load_n(&p->stream->state, __ATOMIC_RELAXED) != IB_OPEN)) {
            h->ended = ib_load32(&p->stream->state) & IB_ABORTED_STREAM ? IB_ABORTED_END : IB_FINISHED;
            break;
        }
        uint64_t got = ib_mpsc_claim(p, (uint64_t)(n - done));
        if (IB_UNLIKELY(got == UINT64_MAX)) {
            ib_raise_ended(h, IB_CORRUPT);
            return -1;
        }
        if (IB_UNLIKELY(!got)) {
            uint64_t head = p->limit;
            int more = timeout_ns == 0 ? 0 : room(h, timeout_ns);
            p->limit = head; /* ib_await keeps a limit of another kind there */
            if (more < 0) return -1;
            if (!more) break;
            continue;
        }
        uint64_t first = p->next;
        for (uint64_t i = 0; i < got; i++) {
            ib_slot *slot = ib_at(p, first + i);
            const item *it = items + done + (Py_ssize_t)i;
            slot->length = (uint32_t)it->length;
            slot->flags = 0;
            slot->ingress = ingress;
            slot->origin = has_origin ? origin + (uint64_t)done + i : first + i;
            ib_copy(slot->payload, it->data, (size_t)it->length);
        }
        ib_mpsc_publish(p, first, got);
        ib_row_batch(p, got, got, 0);
        ib_lane_batch(p, first, got);
        done += (Py_ssize_t)got;
    }
    return done;
}

static PyObject *publish_one(ib_handle *h, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t timeout_ns) {
    uint16_t ingress = 0;
    uint64_t origin = 0;
    int has_origin = 0, got;
    ib_party *p = &h->p;
    if (IB_UNLIKELY(ib_handle_enter(h) != 0)) return NULL;
    if (IB_UNLIKELY(nargs != 1 || kwnames) && options(args, nargs, kwnames, &ingress, &origin, &has_origin) != 0) return NULL;
    char *data;
    Py_ssize_t length;
    Py_buffer view;
    view.obj = NULL;
    if (IB_LIKELY(PyBytes_CheckExact(args[0]))) {
        PyBytes_AsStringAndSize(args[0], &data, &length);
    } else {
        if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) != 0) return NULL;
        data = view.buf;
        length = view.len;
    }
    if (IB_UNLIKELY(length > (Py_ssize_t)p->slot_bytes)) {
        ib_raise_oversize(0, length, p->slot_bytes);
        got = -1;
    } else {
        got = p->mpsc ? 0 : room(h, timeout_ns);
    }
    if (IB_UNLIKELY(p->mpsc)) {
        got = got < 0 ? got : publish_shared(h, &(item){(const uint8_t *)data, length}, 1, ingress, origin, has_origin, timeout_ns) == 1;
        if (PyErr_Occurred()) got = -1;
    } else if (IB_LIKELY(got > 0)) {
        uint64_t sequence = p->next;
        fill(p, sequence, data, (size_t)length, ingress, has_origin ? origin : sequence);
        ib_maybe_stamp(p, sequence, 1);
        ib_publish(p, sequence + 1);
        if (p->row) ib_row_batch(p, 1, 1, 0);
        if (h->counted) ib_lane_batch(p, sequence, 1);
    }
    if (IB_UNLIKELY(view.obj != NULL)) PyBuffer_Release(&view);
    if (IB_UNLIKELY(got < 0)) return NULL;
    return Py_NewRef(got ? Py_True : Py_False);
}

/* Publish what is described by items[0..n); returns how many, -1 on error. The memory must stay. */
static Py_ssize_t publish_items(ib_handle *h, const item *items, Py_ssize_t n, uint16_t ingress, uint64_t origin, int has_origin, int64_t timeout_ns) {
    ib_party *p = &h->p;
    Py_ssize_t done = 0;
    while (done < n) {
        int got = room(h, timeout_ns);
        if (got < 0) return -1;
        if (!got) break;
        uint64_t first = p->next, free_slots = p->limit - p->next;
        uint64_t count = (uint64_t)(n - done) < free_slots ? (uint64_t)(n - done) : free_slots;
        for (uint64_t i = 0; i < count; i++) {
            const item *it = items + done + (Py_ssize_t)i;
            ib_soon_written(p, first + i + IB_AHEAD);
            fill(p, first + i, it->data, (size_t)it->length, ingress, has_origin ? origin + (uint64_t)done + i : first + i);
        }
        ib_maybe_stamp(p, first, count);
        ib_publish(p, first + count);
        ib_row_batch(p, count, count, 0);
        ib_lane_batch(p, first, count);
        done += (Py_ssize_t)count;
    }
    return done;
}

/* A tuple of bytes objects from a tuple of anything that gives bytes. */
static PyObject *as_bytes_tuple(PyObject *messages) {
    Py_ssize_t n = PyTuple_Size(messages);
    PyObject *list = PyList_New(0), *result = NULL;
    for (Py_ssize_t j = 0; list && j < n; j++) {
        PyObject *one = PyTuple_GetItem(messages, j);
        PyObject *copy = PyUnicode_Check(one) || PyLong_Check(one) ? NULL : PyBytes_FromObject(one);
        if (!copy || PyList_Append(list, copy) != 0) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "messages are bytes-like");
            Py_CLEAR(list);
        }
        Py_XDECREF(copy);
    }
    if (list) result = PyList_AsTuple(list);
    Py_XDECREF(list);
    return result;
}

static PyObject *publish_list(ib_handle *h, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t timeout_ns) {
    uint16_t ingress = 0;
    uint64_t origin = 0;
    int has_origin = 0;
    if (ib_handle_enter(h) != 0 || options(args, nargs, kwnames, &ingress, &origin, &has_origin) != 0) return NULL;
    item few[CHUNK], *items = few;
    Py_ssize_t published = -1;
    /* A tuple of our own: what we point into must not change while the GIL is released. */
    PyObject *tuple = PySequence_Tuple(args[0]);
    if (!tuple) return NULL;
    Py_ssize_t n = PyTuple_Size(tuple);
    if (n > CHUNK && !(items = PyMem_Malloc(sizeof(item) * (size_t)n))) {
        Py_DECREF(tuple);
        return PyErr_NoMemory();
    }
    Py_ssize_t i;
    for (i = 0; i < n; i++) {
        PyObject *message = PyTuple_GetItem(tuple, i);
        if (IB_UNLIKELY(!PyBytes_CheckExact(message))) {
            PyObject *converted = as_bytes_tuple(tuple);
            Py_DECREF(tuple);
            tuple = converted;
            if (!tuple) break;
            i = -1; /* once more from the start: every pointer into the old tuple is void */
            continue;
        }
        PyBytes_AsStringAndSize(message, (char **)&items[i].data, &items[i].length);
        if (IB_UNLIKELY(items[i].length > (Py_ssize_t)h->p.slot_bytes)) {
            ib_raise_oversize(i, items[i].length, h->p.slot_bytes);
            break;
        }
    }
    if (i == n && h->p.mpsc) published = publish_shared(h, items, n, ingress, origin, has_origin, timeout_ns);
    else if (i == n) published = publish_items(h, items, n, ingress, origin, has_origin, timeout_ns);
    if (items != few) PyMem_Free(items);
    Py_XDECREF(tuple);
    return published < 0 ? NULL : PyLong_FromSsize_t(published);
}

static PyObject *publish_records(ib_handle *h, PyObject *args, int64_t timeout_ns) {
    Py_buffer view;
    Py_ssize_t record, done = 0;
    int ingress = 0, has_origin;
    uint64_t origin = 0;
    PyObject *given = NULL;
    if (!PyArg_ParseTuple(args, "y*n|iO", &view, &record, &ingress, &given)) return NULL;
    ib_party *p = &h->p;
    PyObject *result = NULL;
    has_origin = given && given != Py_None;
    if (has_origin) origin = PyLong_AsUnsignedLongLong(given);
    if (PyErr_Occurred() || ib_handle_enter(h) != 0) goto out;
    if (record < 1 || view.len % record || ingress < 0 || ingress > 0xFFFF) {
        PyErr_SetString(PyExc_ValueError, "the buffer is a whole number of records; ingress is 0 to 65535");
        goto out;
    }
    if (record > (Py_ssize_t)p->slot_bytes) {
        ib_raise_oversize(0, record, p->slot_bytes);
        goto out;
    }
    Py_ssize_t n = view.len / record;
    if (p->mpsc) {
        item *items = PyMem_Malloc(sizeof(item) * (size_t)(n ? n : 1));
        for (Py_ssize_t i = 0; items && i < n; i++) items[i] = (item){(const uint8_t *)view.buf + i * record, record};
        done = items ? publish_shared(h, items, n, (uint16_t)ingress, origin, has_origin, timeout_ns) : -1;
        PyMem_Free(items);
        result = done < 0 ? NULL : PyLong_FromSsize_t(done);
        goto out;
    }
    while (done < n) {
        int got = room(h, timeout_ns);
        if (got < 0) goto out;
        if (!got) break;
        uint64_t first = p->next, free_slots = p->limit - p->next;
        uint64_t count = (uint64_t)(n - done) < free_slots ? (uint64_t)(n - done) : free_slots;
        const uint8_t *from = (const uint8_t *)view.buf + done * record;
        h->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        for (uint64_t i = 0; i < count; i++) fill(p, first + i, from + i * (uint64_t)record, (size_t)record, (uint16_t)ingress, has_origin ? origin + (uint64_t)done + i : first + i);
        ib_maybe_stamp(p, first, count);
        ib_publish(p, first + count);
        Py_END_ALLOW_THREADS
        h->busy = 0;
        ib_row_batch(p, count, count, 0);
        ib_lane_batch(p, first, count);
        done += (Py_ssize_t)count;
    }
    result = PyLong_FromSsize_t(done);
out:
    PyBuffer_Release(&view);
    return result;
}

/* Ends a short publish whose consumer sleeps. Apart, so that the short way calls nothing and saves no registers. */
static __attribute__((noinline)) PyObject *publish_wake(ib_cell *cell) {
    ib_wake(cell);
    return Py_NewRef(Py_True);
}

static __attribute__((noinline)) PyObject *publish_long(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return publish_one((ib_handle *)self, args, nargs, kwnames, -1);
}

/* The short way: 64 bytes in a bytes object, room for them, nobody counting, no stamp due. It is publish_one without
 * what such a call does not need; everything else goes there. */
static PyObject *publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    ib_handle *h = (ib_handle *)self;
    ib_party *p = &h->p;
    uint64_t sequence = p->next;
    PyObject *message;
    if (IB_UNLIKELY(nargs != 1 || kwnames || h->ready != ib_ready)) return publish_long(self, args, nargs, kwnames);
    message = args[0];
    if (IB_UNLIKELY(!PyBytes_CheckExact(message) || Py_SIZE(message) != IB_LINE || p->limit == sequence ||
                    (int64_t)(sequence + 1 - p->stamp_at) >= 0 || __atomic_load_n(&p->stream->state, __ATOMIC_RELAXED) != IB_OPEN))
        return publish_long(self, args, nargs, kwnames);
    fill(p, sequence, (const char *)message + IB_BYTES_AT, IB_LINE, 0, sequence);
    ib_cell *cell = p->own[0];
    p->next = sequence + 1;
    __atomic_store_n(&cell->value, sequence + 1, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* as in ib_publish_cell */
    if (IB_UNLIKELY(__atomic_load_n(&cell->parked, __ATOMIC_RELAXED))) return publish_wake(cell);
    return Py_NewRef(Py_True);
}
static PyObject *try_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return publish_one((ib_handle *)self, args, nargs, kwnames, 0);
}
static PyObject *publish_many(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return publish_list((ib_handle *)self, args, nargs, kwnames, -1);
}
static PyObject *try_publish_many(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return publish_list((ib_handle *)self, args, nargs, kwnames, 0);
}
static PyObject *publish_buffer(PyObject *self, PyObject *args) { return publish_records((ib_handle *)self, args, -1); }
static PyObject *try_publish_buffer(PyObject *self, PyObject *args) { return publish_records((ib_handle *)self, args, 0); }

static PyObject *wait_room(PyObject *self, PyObject *seconds) {
    ib_handle *h = (ib_handle *)self;
    int64_t timeout_ns;
    if (ib_handle_enter(h) != 0 || ib_timeout(seconds, &timeout_ns) != 0) return NULL;
    int got = room(h, timeout_ns);
    return got < 0 ? NULL : PyBool_FromLong(got);
}

static PyObject *producer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) { return ib_handle_new(type, args, kwargs, 1); }

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"publish", FAST(publish), "publish(payload, ingress=0, origin=None) -> bool\nWaits for room; False when the stream ended."},
    {"try_publish", FAST(try_publish), "As publish, but False at once when the lane is full."},
    {"publish_many", FAST(publish_many), "publish_many(messages, ingress=0, origin=None) -> int published"},
    {"try_publish_many", FAST(try_publish_many), "As publish_many, but only what fits now."},
    {"publish_buffer", publish_buffer, METH_VARARGS, "publish_buffer(buffer, record_bytes, ingress=0, origin=None) -> int published"},
    {"try_publish_buffer", try_publish_buffer, METH_VARARGS, "As publish_buffer, but only what fits now."},
    {"wait_room", wait_room, METH_O, "wait_room(timeout_s) -> bool: there is room for a message."},
    {"free", ib_producer_free, METH_NOARGS, "free() -> int: messages that fit now; 0 when full or ended."},
    {"put", ib_producer_put, METH_VARARGS, "put(payload, ingress, origin, flags=0, stamp_ns=0) -> bool: one slot as given; never waits."},
    {"dropped", ib_producer_dropped, METH_VARARGS, "dropped(cause, n): count messages that this lane will never hold."},
    {"_record_turns", ib_producer_record_turns, METH_NOARGS, "From now on remember what this end does, see _turns."},
    {"_turns", ib_producer_turns, METH_NOARGS, "(first, n) i64 pairs since the last call, and whether some are lost. Any thread."},
    {"_set_lane_row", ib_handle_set_lane_row, METH_VARARGS, "(buffer, offset): the lane's own metrics row."},
    IB_HANDLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {IB_HANDLE_GETTERS, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_new, producer_new},
    {Py_tp_dealloc, ib_handle_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {0, NULL},
};

PyType_Spec ib_producer_spec = {"byteor.indexbus._native.Producer", sizeof(ib_handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
