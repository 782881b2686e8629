#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "canonical.h"
#include "setup.h"

/* Which bytes of a state this setup uses: two of them make a packed one. */
static uint16_t used[sizeof(struct state)];
static int used_count;
static size_t packed_size;

static uint8_t *states;
static uint32_t *parents;
static uint32_t *table;		/* index + 1; open addressing */
static uint32_t count, most;
static uint64_t table_mask;

static void
use(size_t offset, size_t size)
{
	for (size_t i = 0; i < size; i++)
		used[used_count++] = (uint16_t)(offset + i);
}

#define USE(member) use(offsetof(struct state, member), sizeof ((struct state *)0)->member)
#define USE_SOME(member, n) \
	use(offsetof(struct state, member), sizeof ((struct state *)0)->member[0] * (size_t)(n))

static void
choose_used(void)
{
	used_count = 0;
	USE_SOME(segment, setup.segments);
	USE_SOME(creates, setup.segments);
	USE_SOME(results, setup.segments);
	USE_SOME(task, setup.tasks);
	USE_SOME(folder, setup_folders());
	USE(candidate);
	USE(newest);
	USE(term);
	USE(leader);
	USE(phase);
	USE_SOME(memory, setup.tasks);
	USE_SOME(reading, setup.segments);
	USE_SOME(given, setup_folders());
	USE_SOME(missing, setup_folders());
	USE_SOME(sight, setup_folders());
	USE(worker);
	USE(unsettled);
	USE(assign);
	USE(assign_task);
	USE(assign_claim);
	USE(late);
	USE(late_task);
	USE(late_claim);
	USE(life);
	USE(process);
	for (int worker = 0; worker < WORKERS; worker++) {
		USE_SOME(attempt[worker], setup.tasks);
		USE_SOME(held[worker], setup.tasks);
	}
	USE(step);
	USE(tail);
	USE(submitted);
	USE(flight);
	USE(budget);
	if (used_count % 2)
		used[used_count] = used[used_count - 1];	/* packed twice */
	packed_size = (size_t)(used_count + 1) / 2;
}

bool
store_open(uint32_t room)
{
	uint64_t slots = 1;

	choose_used();
	while (slots < (uint64_t)room * 3 / 2)
		slots <<= 1;
	most = room;
	count = 0;
	table_mask = slots - 1;
	states = malloc((size_t)room * packed_size);
	parents = malloc((size_t)room * sizeof *parents);
	table = calloc(slots, sizeof *table);
	return states && parents && table;
}

void
store_close(void)
{
	free(states);
	free(parents);
	free(table);
}

void
store_pack(const struct state *state, uint8_t packed[PACKED_MAX])
{
	struct state same = *state;
	const uint8_t *bytes = (const uint8_t *)&same;

	canonical(&same);
	for (size_t i = 0; i < packed_size; i++)
		packed[i] = (uint8_t)(bytes[used[2 * i]] | bytes[used[2 * i + 1]] << 4);
}

void
store_unpack(uint32_t index, struct state *state)
{
	const uint8_t *packed = states + (size_t)index * packed_size;
	uint8_t *bytes = (uint8_t *)state;

	memset(state, 0, sizeof *state);
	for (size_t i = 0; i < packed_size; i++) {
		bytes[used[2 * i]] = packed[i] & 15;
		bytes[used[2 * i + 1]] = packed[i] >> 4;
	}
}

static uint64_t
hash(const uint8_t *packed)
{
	uint64_t h = 0x9E3779B97F4A7C15, word;
	size_t i = 0;

	for (; i + sizeof word <= packed_size; i += sizeof word) {
		memcpy(&word, packed + i, sizeof word);
		h = (h ^ word) * 0xff51afd7ed558ccd;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, packed + i, packed_size - i);
	h = (h ^ word) * 0xc4ceb9fe1a85ec53;
	return h ^ h >> 29;
}

/* Its slot in the table, or the free one where it belongs. */
static uint64_t
slot_of(const uint8_t *packed)
{
	uint64_t slot = hash(packed) & table_mask;

	while (table[slot] && !store_equals(table[slot] - 1, packed))
		slot = (slot + 1) & table_mask;
	return slot;
}

uint32_t
store_add(const uint8_t packed[PACKED_MAX], uint32_t parent, bool *is_new)
{
	uint64_t slot = slot_of(packed);

	*is_new = !table[slot];
	if (!*is_new)
		return table[slot] - 1;
	if (count == most)
		return STORE_NONE;
	memcpy(states + (size_t)count * packed_size, packed, packed_size);
	parents[count] = parent;
	table[slot] = count + 1;
	return count++;
}

uint32_t
store_find(const uint8_t packed[PACKED_MAX])
{
	return table[slot_of(packed)] - 1;	/* 0 - 1 is STORE_NONE */
}

bool
store_equals(uint32_t index, const uint8_t packed[PACKED_MAX])
{
	return memcmp(states + (size_t)index * packed_size, packed, packed_size) == 0;
}

uint32_t
store_parent(uint32_t index)
{
	return parents[index];
}

uint32_t
store_count(void)
{
	return count;
}

bool
store_full(void)
{
	return count == most;
}

size_t
store_state_size(void)
{
	return packed_size;
}
