/* The consuming calls: peek and advance over a batch in place, and receiving copies. */
#include "consumer.h"

#include <string.h>

size_t ib_bytes_at, ib_items_at;

int64_t ib_consumer_wait(ib_handle *h, uint64_t max, int64_t timeout_ns, int *code) {
    ib_party *p = &h->p;
    uint64_t n = ib_available(p, max, 0, code);
    if (IB_LIKELY(n)) return (int64_t)n;
    if (*code == IB_CORRUPT) {
        h->ended = *code;
        ib_raise_ended(h, *code);
        return -1;
    }
    if (*code == IB_TIMEOUT && timeout_ns != 0) {
        *code = ib_handle_room(h, 1, timeout_ns);
        if (*code < 0) return -1;
    }
    if (*code != IB_OK) {
        h->ended = *code;
        return 0;
    }
    n = p->limit - p->next;
    return (int64_t)(n < max ? n : max);
}


PyObject *ib_consumer_view(ib_handle *h, uint8_t *at, Py_ssize_t bytes) {
    h->view_at = at;
    h->view_bytes = bytes;
    PyObject *view = PyMemoryView_FromObject((PyObject *)h);
    h->view_at = NULL;
    if (view && PyList_Append(h->views, view) != 0) Py_CLEAR(view);
    return view;
}

int ib_consumer_revoke(ib_handle *h) {
    Py_ssize_t n = PyList_Size(h->views);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *done = PyObject_CallMethod(PyList_GetItem(h->views, i), "release", NULL);
        if (!done) PyErr_Clear(); /* somebody exports it further: counted below */
        Py_XDECREF(done);
    }
    if (IB_UNLIKELY(h->exports)) {
        ib_raise("E_VIEW_HELD", "a view (or an array over one) of this batch is still held");
        return -1;
    }
    return n ? PyList_SetSlice(h->views, 0, n, NULL) : 0;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags) {
    ib_handle *h = (ib_handle *)self;
    if (!h->view_at) {
        PyErr_SetString(PyExc_BufferError, "ask for a view of a message");
        return -1;
    }
    if (PyBuffer_FillInfo(view, self, h->view_at, h->view_bytes, 0, flags) != 0) return -1;
    h->exports++;
    return 0;
}

static void release_buffer(PyObject *self, Py_buffer *view) {
    (void)view;
    ((ib_handle *)self)->exports--;
}

static int arguments(PyObject *args, unsigned long long *max, int64_t *timeout_ns) {
    PyObject *seconds = NULL;
    *max = 256;
    if (!PyArg_ParseTuple(args, "|KO", max, &seconds) || ib_timeout(seconds, timeout_ns) != 0) return -1;
    if (*max < 1) {
        PyErr_SetString(PyExc_ValueError, "max is at least 1");
        return -1;
    }
    return 0;
}

static PyObject *peek(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    unsigned long long max;
    int64_t timeout_ns;
    int code;
    if (ib_handle_enter(h) != 0 || arguments(args, &max, &timeout_ns) != 0 || ib_consumer_revoke(h) != 0) return NULL;
    int64_t n = ib_consumer_wait(h, max, timeout_ns, &code);
    if (n < 0) return NULL;
    h->batch = (uint64_t)n;
    return PyLong_FromLongLong(n);
}

/* The slot of message `index` of the peeked batch. */
static ib_slot *batch_slot(ib_handle *h, PyObject *index) {
    Py_ssize_t i = PyLong_AsSsize_t(index);
    if ((i == -1 && PyErr_Occurred()) || ib_handle_enter(h) != 0) return NULL;
    if (i < 0 || (uint64_t)i >= h->batch) {
        PyErr_SetString(PyExc_IndexError, "outside the peeked batch");
        return NULL;
    }
    return ib_consumer_slot(h, h->p.next + (uint64_t)i);
}

static PyObject *view(PyObject *self, PyObject *index) {
    ib_handle *h = (ib_handle *)self;
    ib_slot *slot = batch_slot(h, index);
    return slot ? ib_consumer_view(h, slot->payload, (Py_ssize_t)ib_length(slot, h->p.slot_bytes)) : NULL;
}

static PyObject *room(PyObject *self, PyObject *index) {
    ib_handle *h = (ib_handle *)self;
    ib_slot *slot = batch_slot(h, index);
    return slot ? ib_consumer_view(h, slot->payload, (Py_ssize_t)h->p.slot_bytes) : NULL;
}

static PyObject *payload(PyObject *self, PyObject *index) {
    ib_handle *h = (ib_handle *)self;
    ib_slot *slot = batch_slot(h, index);
    return slot ? ib_consumer_bytes(&h->p, slot) : NULL;
}

static PyObject *describe(PyObject *self, PyObject *index) {
    ib_slot *slot = batch_slot((ib_handle *)self, index);
    return slot ? Py_BuildValue("(IHHK)", slot->length, slot->flags, slot->ingress, (unsigned long long)slot->origin) : NULL;
}

static PyObject *stamp(PyObject *self, PyObject *index) {
    ib_handle *h = (ib_handle *)self;
    ib_slot *slot = batch_slot(h, index);
    if (!slot) return NULL;
    uint64_t sequence = h->p.next + PyLong_AsUnsignedLongLong(index);
    return PyLong_FromUnsignedLongLong(slot->flags & IB_STAMPED ? ib_stamp_of(&h->p, sequence) : 0);
}

static PyObject *filter(PyObject *self, PyObject *index) {
    ib_slot *slot = batch_slot((ib_handle *)self, index);
    if (!slot) return NULL;
    if (!(slot->flags & IB_FILTERED)) ib_row_add(&((ib_handle *)self)->p, IB_METRICS_ROW_FILTERED, 1);
    slot->flags |= IB_FILTERED;
    Py_RETURN_NONE;
}

static PyObject *set_length(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    PyObject *index;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "On", &index, &length)) return NULL;
    ib_slot *slot = batch_slot(h, index);
    if (!slot) return NULL;
    if (length < 0 || length > (Py_ssize_t)h->p.slot_bytes) return ib_raise_oversize(PyLong_AsSsize_t(index), length, h->p.slot_bytes);
    slot->length = (uint32_t)length;
    Py_RETURN_NONE;
}

static PyObject *write_message(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    PyObject *index;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "Oy*", &index, &data)) return NULL;
    ib_slot *slot = batch_slot(h, index);
    if (slot && data.len > (Py_ssize_t)h->p.slot_bytes) {
        ib_raise_oversize(PyLong_AsSsize_t(index), data.len, h->p.slot_bytes);
        slot = NULL;
    }
    if (slot) {
        memmove(slot->payload, data.buf, (size_t)data.len); /* the source may be a view of this very slot */
        slot->length = (uint32_t)data.len;
    }
    PyBuffer_Release(&data);
    if (!slot) return NULL;
    Py_RETURN_NONE;
}

static PyObject *raw(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    unsigned long long start, count;
    if (!PyArg_ParseTuple(args, "KK", &start, &count) || ib_handle_enter(h) != 0) return NULL;
    uint64_t at = (h->p.next + start) & h->p.mask;
    if (count < 1 || start >= h->batch || count > h->batch - start || count > h->p.capacity - at) {
        PyErr_SetString(PyExc_IndexError, "outside the peeked batch, or across the end of the slots");
        return NULL;
    }
    return ib_consumer_view(h, h->p.slots + at * h->p.stride, (Py_ssize_t)(count * h->p.stride));
}

/* Publishes progress, counting what is passed. */
static void pass(ib_handle *h, uint64_t n) {
    ib_party *p = &h->p;
    uint64_t first = p->next, filtered = 0, marks = 0, aborted = 0;
    if (p->row) {
        for (uint64_t i = 0; i < n; i++) {
            uint16_t flags = ib_at(p, first + i)->flags;
            filtered += (flags & (IB_FILTERED | IB_ABORTED)) != 0;
            aborted += (flags & IB_ABORTED) != 0;
            marks += (flags & IB_WATERMARK) != 0;
            if (flags & IB_STAMPED) ib_row_latency(p, first + i);
        }
    }
    ib_publish(p, first + n);
    ib_row_batch(p, n - marks, n - marks - filtered, 0);
    ib_dropped(p, IB_METRICS_ROW_DROPPED_ABORTED, aborted);
}

static PyObject *advance(PyObject *self, PyObject *count) {
    ib_handle *h = (ib_handle *)self;
    uint64_t n = PyLong_AsUnsignedLongLong(count);
    if ((n == (uint64_t)-1 && PyErr_Occurred()) || ib_handle_enter(h) != 0) return NULL;
    if (n > h->batch) {
        PyErr_SetString(PyExc_IndexError, "outside the peeked batch");
        return NULL;
    }
    if (ib_consumer_revoke(h) != 0) return NULL;
    pass(h, n);
    h->batch -= n;
    Py_RETURN_NONE;
}

static int no_batch(ib_handle *h) {
    if (ib_handle_enter(h) != 0) return -1;
    if (h->batch == 0) return 0;
    ib_raise("E_VALUE", "advance past the peeked batch before receiving");
    return -1;
}

static PyObject *receive(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    ib_handle *h = (ib_handle *)self;
    int64_t timeout_ns = -1;
    int code;
    if (IB_UNLIKELY(no_batch(h) != 0) || (nargs && ib_timeout(args[0], &timeout_ns) != 0)) return NULL;
    for (;;) {
        int64_t n = ib_consumer_wait(h, 1, timeout_ns, &code);
        if (n < 0) return NULL;
        if (n == 0) Py_RETURN_NONE;
        uint64_t sequence = h->p.next;
        ib_slot *slot = ib_consumer_slot(h, sequence);
        if (!slot) return NULL;
        PyObject *result = NULL;
        if (IB_LIKELY(!(slot->flags & IB_SKIP))) {
            result = ib_consumer_bytes(&h->p, slot);
            if (!result) return NULL;
        } else if (!(slot->flags & IB_WATERMARK)) {
            h->filtered++;
        }
        if (IB_LIKELY(!h->p.row)) ib_publish(&h->p, sequence + 1);
        else pass(h, 1);
        if (result) return result;
    }
}

static PyObject *receive_many(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    unsigned long long max;
    int64_t timeout_ns;
    int code;
    if (no_batch(h) != 0 || arguments(args, &max, &timeout_ns) != 0) return NULL;
    for (;;) {
        int64_t n = ib_consumer_wait(h, max, timeout_ns, &code);
        if (n < 0) return NULL;
        PyObject *list = PyList_New((Py_ssize_t)n);
        if (!list) return NULL;
        Py_ssize_t kept = 0;
        for (int64_t i = 0; i < n; i++) {
            ib_slot *slot = ib_consumer_slot(h, h->p.next + (uint64_t)i);
            PyObject *message = NULL;
            ib_soon_read(&h->p, h->p.next + (uint64_t)i + IB_AHEAD);
            if (slot && !(slot->flags & IB_SKIP)) {
                message = ib_consumer_bytes(&h->p, slot);
                if (message) ib_list_put(list, kept++, message);
            } else if (slot) {
                h->filtered += !(slot->flags & IB_WATERMARK);
                continue;
            }
            if (!message) {
                Py_DECREF(list);
                return NULL;
            }
        }
        if (n) pass(h, (uint64_t)n);
        if (kept < n && PyList_SetSlice(list, kept, (Py_ssize_t)n, NULL) != 0) Py_CLEAR(list);
        if (!list || kept || !n) return list;
        Py_DECREF(list); /* everything was filtered: an empty list would look like the end */
    }
}

static PyObject *receive_into(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    Py_buffer out;
    Py_ssize_t record;
    PyObject *seconds = NULL, *result = NULL;
    int64_t timeout_ns;
    int code = IB_OK;
    if (!PyArg_ParseTuple(args, "w*n|O", &out, &record, &seconds)) return NULL;
    if (ib_timeout(seconds, &timeout_ns) != 0 || no_batch(h) != 0) goto out;
    if (record < 1 || out.len < record) {
        PyErr_SetString(PyExc_ValueError, "the buffer holds at least one record");
        goto out;
    }
    Py_ssize_t kept = 0;
    while (!kept) {
        int64_t n = ib_consumer_wait(h, (uint64_t)(out.len / record), timeout_ns, &code);
        if (n < 0) goto out;
        if (n == 0) break;
        ib_party *p = &h->p;
        uint64_t i = 0, skipped = 0;
        uint8_t *to = out.buf;
        ib_slot *odd = NULL;
        h->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        for (; i < (uint64_t)n; i++) {
            ib_slot *slot = ib_at(p, p->next + i);
            if (IB_UNLIKELY(slot->flags & IB_SKIP)) {
                skipped += !(slot->flags & IB_WATERMARK);
                continue;
            }
            if (IB_UNLIKELY(slot->length != (uint64_t)record)) {
                odd = slot;
                break;
            }
            ib_copy(to + (size_t)kept * (size_t)record, slot->payload, (size_t)record);
            kept++;
        }
        Py_END_ALLOW_THREADS
        h->busy = 0;
        h->filtered += skipped;
        pass(h, i);
        if (odd && !kept) {
            char text[96];
            if (!ib_consumer_slot(h, h->p.next)) goto out;
            PyOS_snprintf(text, sizeof text, "a message of %u bytes among records of %zd", odd->length, record);
            ib_raise("E_VALUE", text);
            goto out;
        }
    }
    result = PyLong_FromSsize_t(kept);
out:
    PyBuffer_Release(&out);
    return result;
}

static PyObject *views(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    if (!PyArg_ParseTuple(args, "") || ib_handle_enter(h) != 0) return NULL;
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < h->batch; i++) {
        ib_slot *slot = ib_consumer_slot(h, h->p.next + i);
        if (slot && slot->flags & IB_SKIP) continue;
        PyObject *one = slot ? ib_consumer_view(h, slot->payload, (Py_ssize_t)ib_length(slot, h->p.slot_bytes)) : NULL;
        if (!one || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

/* What is not skipped of the batch, in four buffers of neighbours. Slots are read once: another process may write them. */
static PyObject *gather(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    if (!PyArg_ParseTuple(args, "") || ib_handle_enter(h) != 0) return NULL;
    size_t count = 0, bytes = 0, n = (size_t)h->batch;
    const ib_slot **slots = PyMem_Malloc((n + 1) * sizeof *slots);
    uint32_t *lengths = PyMem_Malloc((n + 1) * sizeof *lengths);
    PyObject *found = slots && lengths ? PyTuple_New(4) : PyErr_NoMemory();
    for (size_t i = 0; found && i < n; i++) {
        const ib_slot *slot = ib_consumer_slot(h, h->p.next + i);
        if (!slot) {
            Py_CLEAR(found);
        } else if (!(slot->flags & IB_SKIP)) {
            slots[count] = slot;
            lengths[count++] = ib_length(slot, h->p.slot_bytes);
            bytes += lengths[count - 1];
        }
    }
    const size_t sizes[4] = {count * sizeof(uint64_t), count * sizeof(uint16_t), count * sizeof(uint32_t), bytes};
    for (int k = 0; found && k < 4; k++) {
        PyObject *part = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sizes[k]);
        if (!part || PyTuple_SetItem(found, k, part) != 0) Py_CLEAR(found);
    }
    if (found) {
        char *origins = PyBytes_AsString(PyTuple_GetItem(found, 0)), *ingresses = PyBytes_AsString(PyTuple_GetItem(found, 1));
        char *payload = PyBytes_AsString(PyTuple_GetItem(found, 3));
        memcpy(PyBytes_AsString(PyTuple_GetItem(found, 2)), lengths, sizes[2]);
        for (size_t i = 0; i < count; i++) {
            uint64_t origin = slots[i]->origin;
            uint16_t ingress = slots[i]->ingress;
            memcpy(origins + i * sizeof origin, &origin, sizeof origin);
            memcpy(ingresses + i * sizeof ingress, &ingress, sizeof ingress);
            memcpy(payload, slots[i]->payload, lengths[i]);
            payload += lengths[i];
        }
    }
    PyMem_Free(slots);
    PyMem_Free(lengths);
    return found;
}

static PyObject *consumer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) { return ib_handle_new(type, args, kwargs, 0); }

static PyMethodDef methods[] = {
    {"peek", peek, METH_VARARGS, "peek(max=256, timeout_s=None) -> int: messages ready in place."},
    {"view", view, METH_O, "view(i) -> writable memoryview of message i of the batch."},
    {"room", room, METH_O, "room(i) -> writable memoryview of the whole slot of message i."},
    {"payload", payload, METH_O, "payload(i) -> bytes, a copy."},
    {"describe", describe, METH_O, "describe(i) -> (length, flags, ingress, origin)."},
    {"stamp", stamp, METH_O, "stamp(i) -> CLOCK_MONOTONIC ns of message i's arrival, 0 when it was not sampled."},
    {"filter", filter, METH_O, "filter(i): later stages and the egress skip message i."},
    {"set_length", set_length, METH_VARARGS, "set_length(i, n) after writing into room(i)."},
    {"write", write_message, METH_VARARGS, "write(i, payload): replace message i in place."},
    {"raw", raw, METH_VARARGS, "raw(start, count) -> memoryview over whole slots, headers included."},
    {"views", views, METH_VARARGS, "views() -> memoryviews of the batch without the filtered messages."},
    {"gather", gather, METH_VARARGS, "gather() -> (origins u64, ingresses u16, lengths u32, payloads) as bytes, without what is filtered."},
    {"advance", advance, METH_O, "advance(n): hand on the first n messages of the batch; its views end."},
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, "receive(timeout_s=None) -> bytes, or None at the end."},
    {"receive_many", receive_many, METH_VARARGS, "receive_many(max=256, timeout_s=None) -> list of bytes; empty at the end."},
    {"receive_into", receive_into, METH_VARARGS, "receive_into(buffer, record_bytes, timeout_s=None) -> records copied."},
    {"_drive", ib_drive, METH_VARARGS, "(callable, max_batch) -> (code, sequence, error)"},
    {"_drive_batch", ib_drive_batch, METH_VARARGS, "(callable, max_batch, views) -> (code, sequence, error)"},
    {"_run_native", ib_run_native, METH_VARARGS, "(kind, param, max_batch) -> (code, sequence, error)"},
    IB_HANDLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyObject *get_peeked(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((ib_handle *)self)->batch);
}

static PyGetSetDef getters[] = {IB_HANDLE_GETTERS, {"peeked", get_peeked, NULL, "Messages peeked and not advanced.", NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_new, consumer_new},       {Py_tp_dealloc, ib_handle_dealloc},      {Py_tp_methods, methods}, {Py_tp_getset, getters},
    {Py_bf_getbuffer, get_buffer},   {Py_bf_releasebuffer, release_buffer},   {0, NULL},
};

PyType_Spec ib_consumer_spec = {"byteor.indexbus._native.Consumer", sizeof(ib_handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
