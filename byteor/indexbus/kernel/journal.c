/* Records of a journal: written in two phases, read only when whole. Record: length u32, flags u32, payload,
 * CRC-32C of payload u32, padded to 8 bytes. */
#include "core.h"

#include <string.h>

/* Phase one: the bytes, with flags 0. Phase two: the flags, with release. Returns the record's size. The payload
 * is `head` and then `data`, so that a batch of messages needs no joined copies. */
uint64_t ib_record_write(uint8_t *at, const void *head, uint32_t head_bytes, const void *data, uint32_t length) {
    uint32_t crc = head_bytes ? ib_crc32c(0, head, head_bytes) : 0;
    crc = ib_crc32c(crc, data, length);
    __atomic_store_n((uint32_t *)at + 1, 0, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)at, head_bytes + length, __ATOMIC_RELEASE);
    if (head_bytes) memcpy(at + 8, head, head_bytes);
    ib_copy(at + 8 + head_bytes, data, length);
    memcpy(at + 8 + head_bytes + length, &crc, 4);
    __atomic_store_n((uint32_t *)at + 1, IB_RECORD_COMMITTED, __ATOMIC_RELEASE);
    return ib_record_bytes((uint64_t)head_bytes + length);
}

/* Look at the record at the start of `data`: IB_OK or IB_RECORD_IS_PADDING and its size, IB_TIMEOUT when it is
 * not there or not whole, IB_CORRUPT. Padding may be longer than `room`. */
int ib_record_look(const uint8_t *data, uint64_t room, uint32_t *length, uint64_t *size) {
    uint32_t flags, crc;
    if (room < IB_RECORD_BYTES) return IB_TIMEOUT;
    memcpy(length, data, 4);
    memcpy(&flags, data + 4, 4);
    if (!(flags & IB_RECORD_COMMITTED)) return IB_TIMEOUT;
    if (flags & IB_RECORD_PADDING) {
        *size = IB_RECORD_BYTES + (uint64_t)*length;
        return *size % 8 ? IB_CORRUPT : IB_RECORD_IS_PADDING;
    }
    *size = ib_record_bytes(*length);
    if (*size > room) return IB_TIMEOUT;
    memcpy(&crc, data + 8 + *length, 4);
    return crc == ib_crc32c(0, data + 8, *length) ? IB_OK : IB_CORRUPT;
}
