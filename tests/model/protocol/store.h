/*
 * store.h: all states that have been reached, each once, packed, with the one that it was first reached from.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_STORE_H
#define ZKQ_TESTS_MODEL_PROTOCOL_STORE_H

#include "state.h"

#define STORE_NONE UINT32_MAX
#define PACKED_MAX ((sizeof(struct state) + 1) / 2)

/* Room for that many states. False: not enough memory. The setup must stand. */
bool store_open(uint32_t most);
void store_close(void);
/* What is worth keeping of a state: two that differ in nothing that can matter any more become equal. */
void store_pack(const struct state *state, uint8_t packed[PACKED_MAX]);
void store_unpack(uint32_t index, struct state *state);
/* Adds it if it is new: *is_new. Returns its index, STORE_NONE when there is no room. */
uint32_t store_add(const uint8_t packed[PACKED_MAX], uint32_t parent, bool *is_new);
/* STORE_NONE: it is not there. */
uint32_t store_find(const uint8_t packed[PACKED_MAX]);
bool store_equals(uint32_t index, const uint8_t packed[PACKED_MAX]);
uint32_t store_parent(uint32_t index);
uint32_t store_count(void);
/* No further state can be added. */
bool store_full(void);
/* Bytes that a state takes, all included. */
size_t store_state_size(void);

#endif
