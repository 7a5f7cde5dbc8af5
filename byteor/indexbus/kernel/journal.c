/* One record of a journal: written in two phases, read only when it is whole. Record: length u32, flags u32,
 * payload, CRC-32C of payload u32, padded to 8 bytes. */
#include "core.h"

#include <string.h>

/* Phase one: the bytes, with flags 0. Phase two: the flags, with release. Returns the record's size. */
uint64_t ib_record_write(uint8_t *at, const void *data, uint32_t length) {
    uint32_t crc = ib_crc32c(0, data, length);
    __atomic_store_n((uint32_t *)at + 1, 0, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)at, length, __ATOMIC_RELEASE);
    memcpy(at + 8, data, length);
    memcpy(at + 8 + length, &crc, 4);
    __atomic_store_n((uint32_t *)at + 1, IB_RECORD_COMMITTED, __ATOMIC_RELEASE);
    return ((uint64_t)length + 12 + 7) & ~7ull;
}
