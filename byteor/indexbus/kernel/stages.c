/* The built-in native stages, each a function over one slot, and the loop that runs them. */
#include "core.h"

#include <string.h>

static int append_crc32c(const ib_param *param, ib_slot *slot, uint32_t room) {
    uint32_t length = ib_length(slot, room);
    (void)param;
    if (room < 4 || length > room - 4) return IB_TOO_LONG;
    uint32_t crc = ib_crc32c(0, slot->payload, length);
    memcpy(slot->payload + length, &crc, 4);
    slot->length = length + 4;
    return IB_OK;
}

static int check_crc32c(const ib_param *param, ib_slot *slot, uint32_t room) {
    uint32_t want, length = ib_length(slot, room);
    (void)param;
    if (length < 4) return IB_STAGE_ERROR;
    memcpy(&want, slot->payload + length - 4, 4);
    return ib_crc32c(0, slot->payload, length - 4) == want ? IB_OK : IB_STAGE_ERROR;
}

/* Computes and passes on: a stage of known cost. */
static int compute_crc32c(const ib_param *param, ib_slot *slot, uint32_t room) {
    (void)param;
    volatile uint32_t crc = ib_crc32c(0, slot->payload, ib_length(slot, room));
    (void)crc;
    return IB_OK;
}

static int is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* The offset of the brace that closes the object which is the whole message, or -1. Follows strings and nesting,
 * not the whole grammar: what a JSON parser upstream accepted stays accepted, text that is no object is refused. */
static int64_t closing_brace(const uint8_t *text, uint32_t length) {
    uint32_t i = 0, depth = 0;
    int in_string = 0;
    while (i < length && is_space(text[i])) i++;
    if (i == length || text[i] != '{') return -1;
    for (; i < length; i++) {
        uint8_t c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = 0;
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0) break;
        }
    }
    if (i >= length || text[i] != '}') return -1;
    for (uint32_t rest = i + 1; rest < length; rest++)
        if (!is_space(text[rest])) return -1;
    return i;
}

/* Inserts the parameter (such as `,"site":"demo"`) before the closing brace; an empty object gets no comma. */
static int append_json(const ib_param *param, ib_slot *slot, uint32_t room) {
    uint32_t length = ib_length(slot, room);
    int64_t brace = closing_brace(slot->payload, length);
    if (brace < 0) return IB_STAGE_ERROR;
    int64_t before = brace - 1;
    while (before > 0 && is_space(slot->payload[before])) before--; /* an object, unless somebody has just changed it */
    const uint8_t *text = param->param;
    size_t extra = param->length;
    if (slot->payload[before] == '{' && extra && text[0] == ',') {
        text++;
        extra--;
    }
    if (extra > room || length > room - extra) return IB_TOO_LONG;
    memmove(slot->payload + brace + extra, slot->payload + brace, (size_t)(length - brace));
    memcpy(slot->payload + brace, text, extra);
    slot->length = length + (uint32_t)extra;
    return IB_OK;
}

const ib_stage ib_stages[] = {
    {"identity", NULL},
    {"crc32c", compute_crc32c},
    {"crc32c_append", append_crc32c},
    {"crc32c_check", check_crc32c},
    {"json_append", append_json},
};
const int ib_stage_count = sizeof ib_stages / sizeof ib_stages[0];

int ib_run_stage(ib_party *p, ib_stage_fn handle, const ib_param *param, uint64_t max_batch) {
    for (;;) {
        int code;
        if (IB_UNLIKELY(__atomic_load_n(&p->stop, __ATOMIC_RELAXED))) return IB_STOPPED;
        uint64_t n = ib_available(p, max_batch, -1, &code);
        if (!n) return code;
        uint64_t first = p->next, filtered = 0, marks = 0, done = 0, stamped = 0;
        int any_stamp = 0;
        for (; done < n; done++) {
            ib_slot *slot = ib_at(p, first + done);
            uint16_t flags = slot->flags;
            if (IB_UNLIKELY(flags)) {
                if (flags & IB_SKIP) {
                    if (flags & IB_WATERMARK) marks++;
                    else filtered++;
                    continue;
                }
                stamped = first + done;
                any_stamp = 1;
            }
            if (!handle) continue;
            if (IB_UNLIKELY(slot->length > p->slot_bytes)) code = IB_CORRUPT;
            else code = handle(param, slot, p->slot_bytes);
            if (IB_UNLIKELY(code != IB_OK)) break;
        }
        if (any_stamp) ib_row_latency(p, stamped);
        ib_publish(p, first + done);
        ib_row_batch(p, done - marks, done - marks - filtered, 0);
        if (IB_UNLIKELY(code != IB_OK)) {
            ib_row_add(p, IB_METRICS_ROW_ERRORS, 1);
            return code;
        }
    }
}
