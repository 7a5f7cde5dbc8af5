/* The producer's calls for whoever moves messages from lane to lane: room, a slot as given, drops. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

PyObject *ib_producer_free(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    int code;
    (void)ignored;
    if (ib_handle_enter(h) != 0) return NULL;
    uint64_t n = ib_free(&h->p, &code);
    if (code == IB_CORRUPT) return ib_raise_ended(h, code);
    if (!n) h->ended = code;
    return PyLong_FromUnsignedLongLong(n);
}

PyObject *ib_producer_put(PyObject *self, PyObject *args) {
    ib_handle *h = (ib_handle *)self;
    ib_party *p = &h->p;
    Py_buffer data;
    unsigned short ingress, flags = 0;
    unsigned long long origin, stamp_ns = 0;
    int code;
    if (!PyArg_ParseTuple(args, "y*HK|HK", &data, &ingress, &origin, &flags, &stamp_ns)) return NULL;
    PyObject *result = NULL;
    if (ib_handle_enter(h) != 0) goto out;
    if (data.len > (Py_ssize_t)p->slot_bytes) {
        ib_raise_oversize(0, data.len, p->slot_bytes);
        goto out;
    }
    int room = ib_free(p, &code) > 0;
    if (room && p->mpsc) {
        uint64_t got = ib_mpsc_claim(p, 1);
        if (got == UINT64_MAX) code = IB_CORRUPT;
        room = got == 1;
    }
    if (code == IB_CORRUPT) {
        ib_raise_ended(h, code);
        goto out;
    }
    if (!room) {
        h->ended = code == IB_OK ? IB_TIMEOUT : code;
        result = Py_NewRef(Py_False);
        goto out;
    }
    uint64_t sequence = p->next;
    ib_slot *slot = ib_at(p, sequence);
    slot->length = (uint32_t)data.len;
    slot->flags = flags & ~IB_STAMPED;
    slot->ingress = ingress;
    slot->origin = origin;
    memcpy(slot->payload, data.buf, (size_t)data.len);
    if (stamp_ns) ib_stamp_with(p, sequence, stamp_ns);
    if (p->mpsc) ib_mpsc_publish(p, sequence, 1);
    else ib_publish(p, sequence + 1);
    if (!(flags & IB_SKIP)) {
        if (p->row) ib_row_batch(p, 1, 1, 0);
        ib_lane_batch(p, sequence, 1);
    }
    result = Py_NewRef(Py_True);
out:
    PyBuffer_Release(&data);
    return result;
}

PyObject *ib_producer_dropped(PyObject *self, PyObject *args) {
    static const struct {
        const char *name;
        unsigned field;
    } causes[] = {
        {"full", IB_METRICS_ROW_DROPPED_FULL},
        {"aborted", IB_METRICS_ROW_DROPPED_ABORTED},
        {"oversize", IB_METRICS_ROW_DROPPED_OVERSIZE},
        {"no_credit", IB_METRICS_ROW_DROPPED_NO_CREDIT},
    };
    ib_handle *h = (ib_handle *)self;
    const char *cause;
    unsigned long long n;
    if (!PyArg_ParseTuple(args, "sK", &cause, &n) || ib_handle_enter(h) != 0) return NULL;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        if (strcmp(causes[i].name, cause)) continue;
        ib_dropped(&h->p, causes[i].field, n);
        Py_RETURN_NONE;
    }
    PyErr_SetString(PyExc_ValueError, "a cause is full, aborted, oversize or no_credit");
    return NULL;
}

PyObject *ib_producer_record_turns(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    (void)ignored;
    if (ib_handle_enter(h) != 0) return NULL;
    if (!h->p.turns && !(h->p.turns = ib_turns_new())) return PyErr_NoMemory();
    h->counted = 1;
    Py_RETURN_NONE;
}

PyObject *ib_producer_turns(PyObject *self, PyObject *ignored) {
    ib_handle *h = (ib_handle *)self;
    uint32_t count = 0;
    int lost = 0;
    (void)ignored;
    ib_turn *turns = h->p.turns ? ib_turns_take(h->p.turns, &count, &lost) : NULL;
    PyObject *result = Py_BuildValue("(y#N)", turns ? (const char *)turns : "", (Py_ssize_t)(count * sizeof *turns), PyBool_FromLong(lost));
    free(turns);
    return result;
}
