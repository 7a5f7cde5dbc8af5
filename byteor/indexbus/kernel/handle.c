/* The handle: construction with every offset checked, waiting with the GIL released, errors. */
#include "consumer.h"

#include <string.h>

PyObject *ib_raise(const char *code, const char *message) {
    PyObject *module = PyImport_ImportModule("byteor.indexbus.errors");
    if (!module) return NULL;
    PyObject *type = PyObject_GetAttrString(module, "IndexBusError");
    PyObject *error = type ? PyObject_CallFunction(type, "ss", code, message) : NULL;
    if (error) PyErr_SetObject(type, error);
    Py_XDECREF(error);
    Py_XDECREF(type);
    Py_DECREF(module);
    return NULL;
}

PyObject *ib_raise_oversize(Py_ssize_t index, Py_ssize_t length, uint32_t limit) {
    PyObject *module = PyImport_ImportModule("byteor.indexbus.errors");
    if (!module) return NULL;
    PyObject *error = PyObject_CallMethod(module, "oversize", "nnI", index, length, limit);
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    Py_DECREF(module);
    return NULL;
}

PyObject *ib_raise_ended(ib_handle *h, int code) {
    if (code == IB_DEAD) {
        char text[80];
        PyOS_snprintf(text, sizeof text, "peer %d of the lane died without leaving it", (int)h->p.dead_peer);
        return ib_raise("E_PEER_DEAD", text);
    }
    return ib_raise("E_CORRUPT", "a cursor or a length in the region is impossible");
}

uint32_t ib_forks;
uint64_t ib_ready;

int ib_handle_enter(ib_handle *h) {
    if (IB_LIKELY(h->open && !h->busy && h->forks == ib_forks)) return 0;
    if (h->forks != ib_forks) ib_raise("E_FORKED", "this handle belongs to the process that forked");
    else if (!h->open) ib_raise("E_CLOSED", "this handle was closed");
    else ib_raise("E_ROLE_TAKEN", "another thread is using this handle");
    return -1;
}

int ib_timeout(PyObject *seconds, int64_t *ns) {
    if (!seconds || seconds == Py_None) {
        *ns = -1;
        return 0;
    }
    double s = PyFloat_AsDouble(seconds);
    if (s == -1.0 && PyErr_Occurred()) return -1;
    *ns = s <= 0 ? 0 : s > 9e9 ? -1 : (int64_t)(s * 1e9);
    return 0;
}

/* Wait until `want` messages may be handled beyond next. Signals are looked at twice in 100 ms. */
int ib_handle_room(ib_handle *h, uint64_t want, int64_t timeout_ns) {
    int64_t left = timeout_ns;
    /* A short look with the GIL held: giving it up and taking it again costs more than most answers take. */
    int looks = h->p.strategy <= IB_YIELD ? 40 : h->p.strategy == IB_BLOCK && h->p.patience < 8 ? 0 : 8;
    for (int round = looks; timeout_ns != 0 && round > 0; round--) {
        int code = ib_await(&h->p, h->p.next + want, 0);
        if (code != IB_TIMEOUT) {
            timeout_ns = 0; /* settled: below it is only looked at once more */
            break;
        }
        ib_pause();
    }
    for (;;) {
        int code;
        uint64_t before = timeout_ns > 0 ? ib_clock_ns() : 0;
        if (timeout_ns == 0) {
            code = ib_await(&h->p, h->p.next + want, 0);
        } else {
            h->busy = 1;
            Py_BEGIN_ALLOW_THREADS
            code = ib_await(&h->p, h->p.next + want, left);
            Py_END_ALLOW_THREADS
            h->busy = 0;
        }
        if (code != IB_TICK) {
            if (code != IB_OK) h->ended = code;
            if (code == IB_DEAD || code == IB_CORRUPT) {
                ib_raise_ended(h, code);
                return -1;
            }
            return code;
        }
        if (PyErr_CheckSignals() != 0) return -1;
        if (timeout_ns > 0) {
            left -= (int64_t)(ib_clock_ns() - before);
            if (left <= 0) left = 1;
        }
    }
}

static int offsets(ib_handle *h, PyObject *tuple, ib_cell **cells, int *count) {
    Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) return -1;
    if (n < 1 || n > IB_MAX_WATCH) {
        PyErr_SetString(PyExc_ValueError, "1 to 64 cells");
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        size_t at = PyLong_AsSize_t(PyTuple_GetItem(tuple, i));
        if (PyErr_Occurred()) return -1;
        if (at % IB_LINE || at + IB_LINE > (size_t)h->map.len) {
            PyErr_SetString(PyExc_ValueError, "cell outside the region");
            return -1;
        }
        cells[i] = (ib_cell *)((uint8_t *)h->map.buf + at);
    }
    *count = (int)n;
    return 0;
}

static int inside(ib_handle *h, size_t at, size_t bytes) {
    return at % 16 == 0 && at <= (size_t)h->map.len && bytes <= (size_t)h->map.len - at;
}

PyObject *ib_handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs, int producer) {
    PyObject *buffer, *watch, *own;
    unsigned long long capacity, slots_at, stream_at, cursor_at, stamps_at, peers_at;
    unsigned int slot_bytes, stride;
    unsigned long long fatal, markers_at;
    int fd, self_index, peer_count, strategy;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OiKIIKKKKKiiiO!O!KK", &buffer, &fd, &capacity, &slot_bytes, &stride, &slots_at, &cursor_at, &stream_at,
                          &stamps_at, &peers_at, &peer_count, &self_index, &strategy, &PyTuple_Type, &watch, &PyTuple_Type, &own, &markers_at, &fatal))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ib_handle *h = (ib_handle *)alloc(type, 0);
    if (!h) return NULL;
    if (PyObject_GetBuffer(buffer, &h->map, PyBUF_WRITABLE) != 0) goto fail;
    h->open = 1;
    h->forks = ib_forks;
    ib_party *p = &h->p;
    uint8_t *base = h->map.buf;
    int sane = capacity >= 2 && (capacity & (capacity - 1)) == 0 && capacity <= 1ull << 32 && stride >= IB_SLOT_BYTES + (uint64_t)slot_bytes &&
               stride % 16 == 0 && peer_count >= 1 && peer_count <= 64 && self_index >= 0 && self_index < peer_count && (uintptr_t)base % IB_LINE == 0 &&
               inside(h, slots_at, capacity * stride) && inside(h, cursor_at, IB_LINE) && inside(h, stream_at, IB_LINE) &&
               inside(h, stamps_at, IB_STAMPS * IB_STAMP_BYTES) && inside(h, peers_at, (size_t)peer_count * IB_PEER_BYTES) && inside(h, markers_at, markers_at ? capacity * 8 : 0);
    if (!sane) {
        PyErr_SetString(PyExc_ValueError, "geometry outside the region");
        goto fail;
    }
    p->slots = base + slots_at;
    p->mask = capacity - 1;
    p->capacity = capacity;
    p->stride = stride;
    p->slot_bytes = slot_bytes;
    p->cursor = (ib_cell *)(base + cursor_at);
    p->stream = (ib_stream *)(base + stream_at);
    p->stamps = (ib_stamp *)(base + stamps_at);
    p->peers = (ib_peer *)(base + peers_at);
    p->peers_at = peers_at;
    p->peer_count = peer_count;
    p->self = self_index;
    p->fd = fd;
    p->strategy = strategy;
    p->patience = IB_MOST_PATIENCE;
    p->credit = IB_MOST_CREDIT - 8; /* an early long look, when the peers have had time to come */
    p->lead = producer ? capacity : 0;
    p->stamp_every = 1;
    p->mpsc = markers_at != 0;
    p->markers = markers_at ? (uint64_t *)(base + markers_at) : NULL;
    p->fatal = fatal;
    if (offsets(h, watch, p->watch, &p->watched) != 0 || offsets(h, own, p->own, &p->owned) != 0) goto fail;
    p->next = p->limit = ib_load(&p->own[0]->value);
    if (p->mpsc && producer) p->limit = p->next - capacity; /* here the cached head: unknown yet, so full */
    p->stamp_at = p->next;
    p->fence = ib_register_fence();
    h->plain = producer && !p->mpsc && p->owned == 1 && !p->fence && p->slot_bytes >= IB_LINE;
    p->started_ns = p->ticked_ns = ib_clock_ns();
    h->views = PyList_New(0);
    if (!h->views) goto fail;
    return (PyObject *)h;
fail:
    Py_DECREF(h);
    return NULL;
}

static void let_go(ib_handle *h) {
    h->open = 0;
    h->p.row = h->p.lane_row = NULL;
    h->counted = 0;
    if (h->rows.obj) PyBuffer_Release(&h->rows);
    if (h->lane_rows.obj) PyBuffer_Release(&h->lane_rows);
    if (h->map.obj) PyBuffer_Release(&h->map);
}

void ib_handle_dealloc(PyObject *self) {
    ib_handle *h = (ib_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(h->views);
    let_go(h);
    ib_turns_free(h->p.turns);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

PyObject *ib_handle_release(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    (void)ignored;
    if (h->busy) return ib_raise("E_ROLE_TAKEN", "another thread is waiting on this handle; stop() it first");
    if (h->open && ib_consumer_revoke(h) != 0) return NULL;
    let_go(h);
    Py_RETURN_NONE;
}

PyObject *ib_handle_stop(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    (void)ignored;
    __atomic_store_n(&h->p.stop, 1, __ATOMIC_SEQ_CST);
    if (h->open)
        for (int i = 0; i < h->p.watched; i++) ib_wake(h->p.watch[i]);
    Py_RETURN_NONE;
}

/* Hold the region of a metrics row and point into it; None lets go. */
static int attach(PyObject *buffer, unsigned long long at, Py_buffer *held, uint8_t **row) {
    if (held->obj) PyBuffer_Release(held);
    if (buffer == Py_None) return 0;
    if (PyObject_GetBuffer(buffer, held, PyBUF_WRITABLE) != 0) return -1;
    if (at % IB_LINE || at > (size_t)held->len || (size_t)held->len - at < IB_METRICS_ROW_BYTES) {
        PyBuffer_Release(held);
        PyErr_SetString(PyExc_ValueError, "row outside the region");
        return -1;
    }
    *row = (uint8_t *)held->buf + at;
    return 0;
}

PyObject *ib_handle_set_row(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    PyObject *buffer;
    unsigned long long at;
    if (!PyArg_ParseTuple(args, "OK", &buffer, &at) || ib_handle_enter(h) != 0) return NULL;
    h->p.row = NULL;
    int failed = attach(buffer, at, &h->rows, &h->p.row);
    h->counted = h->p.row || h->p.lane_row || h->p.turns;
    if (failed) return NULL;
    ib_row_tick(&h->p, ib_clock_ns());
    Py_RETURN_NONE;
}

PyObject *ib_handle_set_lane_row(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    PyObject *buffer;
    unsigned long long at;
    if (!PyArg_ParseTuple(args, "OK", &buffer, &at) || ib_handle_enter(h) != 0) return NULL;
    h->p.lane_row = NULL;
    int failed = attach(buffer, at, &h->lane_rows, &h->p.lane_row);
    h->counted = h->p.row || h->p.lane_row || h->p.turns;
    if (failed) return NULL;
    Py_RETURN_NONE;
}

PyObject *ib_handle_beat(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    (void)ignored;
    if (h->open) ib_row_tick(&h->p, ib_clock_ns());
    Py_RETURN_NONE;
}

PyObject *ib_handle_idled(PyObject *self, PyObject *ns) {
    ib_handle *h = (ib_handle *)self;
    long long rested = PyLong_AsLongLong(ns);
    if (rested == -1 && PyErr_Occurred()) return NULL;
    if (h->open && rested > 0) h->p.idle_ns += (uint64_t)rested;
    Py_RETURN_NONE;
}

PyObject *ib_handle_look_around(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    (void)ignored;
    if (ib_handle_enter(h) != 0) return NULL;
    if (!ib_peer_died(&h->p)) Py_RETURN_NONE;
    h->ended = IB_DEAD;
    return ib_raise_ended(h, IB_DEAD);
}

PyObject *ib_handle_get_stopped(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(__atomic_load_n(&((ib_handle *)self)->p.stop, __ATOMIC_RELAXED));
}

PyObject *ib_handle_get_sequence(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((ib_handle *)self)->p.next);
}

PyObject *ib_handle_get_ended(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromLong(((ib_handle *)self)->ended);
}

PyObject *ib_handle_get_aborted(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((ib_handle *)self)->p.aborted_slots);
}

PyObject *ib_handle_get_filtered(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((ib_handle *)self)->filtered);
}
