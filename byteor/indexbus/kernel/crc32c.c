/* CRC-32C (Castagnoli, RFC 3720 B.4), by instruction where the processor has it, else by table. */
#include "core.h"

#include <string.h>

static uint32_t ib_crc_table[256];
static int ib_crc_ready;

static uint32_t ib_crc_slow(uint32_t crc, const uint8_t *data, size_t length) {
    if (!__atomic_load_n(&ib_crc_ready, __ATOMIC_ACQUIRE)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (0x82F63B78u & (0u - (c & 1u)));
            ib_crc_table[i] = c;
        }
        __atomic_store_n(&ib_crc_ready, 1, __ATOMIC_RELEASE);
    }
    for (size_t i = 0; i < length; i++) crc = (crc >> 8) ^ ib_crc_table[(crc ^ data[i]) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t ib_crc_fast(uint32_t crc, const uint8_t *data, size_t length) {
    uint64_t c = crc;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        c = __builtin_ia32_crc32di(c, word);
        data += 8;
        length -= 8;
    }
    crc = (uint32_t)c;
    while (length--) crc = __builtin_ia32_crc32qi(crc, *data++);
    return crc;
}
#endif

uint32_t ib_crc32c(uint32_t crc, const uint8_t *data, size_t length) {
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~ib_crc_fast(crc, data, length);
#endif
    return ~ib_crc_slow(crc, data, length);
}
