/* What the two files of the consumer share. */
#ifndef IB_CONSUMER_H
#define IB_CONSUMER_H

#include "binding.h"

/* Messages that may be handled now, at most max; 0 with *code set when ended, -1 with an exception. */
int64_t ib_consumer_wait(ib_handle *h, uint64_t max, int64_t timeout_ns, int *code);
/* The slot, or NULL and E_CORRUPT when its length is impossible. */
static inline ib_slot *ib_consumer_slot(ib_handle *h, uint64_t sequence) {
    ib_slot *slot = ib_at(&h->p, sequence);
    if (IB_LIKELY(slot->length <= h->p.slot_bytes)) return slot;
    ib_raise("E_CORRUPT", "a slot claims more bytes than it holds");
    return NULL;
}
/* A copy of the message. Made empty and filled here: the compiler knows the commonest length, see ib_copy. The payload
 * of a bytes object has one offset in an interpreter; PyBytes_AsString would be one more call a message. */
extern size_t ib_bytes_at; /* set when the module is loaded */
static inline PyObject *ib_consumer_bytes(const ib_party *p, const ib_slot *slot) {
    uint32_t length = ib_length(slot, p->slot_bytes);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (IB_LIKELY(bytes != NULL)) ib_copy((char *)bytes + ib_bytes_at, slot->payload, length);
    return bytes;
}
/* Puts `item`, which the list owns then, into a list that nobody else has seen and whose slot is empty. PyList_SetItem
 * asks for all that again, a tenth of the time of a short message; the limited API hides what it would be without. So
 * the place of a list's items is found and proven when the module is loaded; 0: not found, then it is called. */
extern size_t ib_items_at;
static inline void ib_list_put(PyObject *list, Py_ssize_t index, PyObject *item) {
    if (IB_LIKELY(ib_items_at)) (*(PyObject ***)((char *)list + ib_items_at))[index] = item;
    else PyList_SetItem(list, index, item);
}
PyObject *ib_consumer_view(ib_handle *h, uint8_t *at, Py_ssize_t bytes);
int ib_consumer_revoke(ib_handle *h); /* -1 and E_VIEW_HELD when something still points into the batch */

/* What loops and workers share; see drive.c. */
PyObject *ib_take_error(void);
int ib_settle(ib_handle *h, ib_slot *slot, PyObject *given, PyObject *result);
PyObject *ib_gather(ib_handle *h, uint64_t n, int as_views, uint32_t *indexes, uint64_t *marks);
int ib_settle_batch(ib_handle *h, PyObject *given, PyObject *results, const uint32_t *indexes, uint64_t *failed, uint64_t *filtered);

PyObject *ib_drive(PyObject *self, PyObject *args);
PyObject *ib_drive_batch(PyObject *self, PyObject *args);
PyObject *ib_run_native(PyObject *self, PyObject *args);

#endif
