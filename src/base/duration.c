#include "base/duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LONGEST (100LL * 366 * DAY)	/* a hundred years: longer is a slip of the pen, and sums stay far from overflow */

static const struct unit {
	const char *word;
	int64_t ms;
} units[] = {
	{ "d", DAY }, { "h", HOUR }, { "m", MINUTE }, { "s", SECOND }, { "ms", 1 },
};

#define UNITS ((int)(sizeof units / sizeof units[0]))

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits into *value, which stays below LONGEST; false when there are none or too many. */
static bool
read_number(const char **at, int64_t *value)
{
	const char *p = *at;
	int64_t sum = 0;

	if (!digit(*p))
		return false;
	for (; digit(*p); p++) {
		sum = sum * 10 + (*p - '0');
		if (sum > LONGEST)
			return false;
	}
	*at = p;
	*value = sum;
	return true;
}

/* "HH:MM:SS". */
static const char *
parse_clock(const char *text, int64_t *ms)
{
	int64_t part[3];
	const char *p = text;

	for (int i = 0; i < 3; i++) {
		if (!read_number(&p, &part[i]))
			return "not of the form HH:MM:SS";
		if (*p++ != (i < 2 ? ':' : '\0'))
			return "not of the form HH:MM:SS";
		if (i > 0 && part[i] > 59)
			return "minutes and seconds of HH:MM:SS go up to 59";
	}
	if (part[0] > LONGEST / HOUR - 1)
		return "too long";
	*ms = part[0] * HOUR + part[1] * MINUTE + part[2] * SECOND;
	return NULL;
}

static const struct unit *
find_unit(const char *word, size_t len)
{
	for (int i = 0; i < UNITS; i++)
		if (strlen(units[i].word) == len && memcmp(units[i].word, word, len) == 0)
			return &units[i];
	return NULL;
}

const char *
duration_parse(const char *text, int64_t *ms)
{
	const char *p = text;
	int64_t sum = 0, last = INT64_MAX;

	if (*text == '\0')
		return "empty";
	if (strchr(text, ':'))
		return parse_clock(text, ms);
	while (*p) {
		int64_t count, unit_ms = SECOND;

		if (!digit(*p))
			return "only digits with the units d, h, m, s, ms";
		if (!read_number(&p, &count))
			return "too long";
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (len) {
			const struct unit *unit = find_unit(p, len);

			if (!unit)
				return "unknown unit (d, h, m, s, ms)";
			unit_ms = unit->ms;
			p += len;
		} else if (*p) {
			return "only digits with the units d, h, m, s, ms";
		} else if (last != INT64_MAX) {
			return "the last number has no unit";	/* a bare number is in seconds and stands alone */
		}
		if (unit_ms >= last)
			return "units stand in falling order, each once";
		last = unit_ms;
		if (count > LONGEST / unit_ms)
			return "too long";
		sum += count * unit_ms;
	}
	if (sum > LONGEST)
		return "too long";
	*ms = sum;
	return NULL;
}

/* Writes at most limit units, beginning with the largest that is not zero. */
static const char *
spell(int64_t ms, int limit, const struct unit *smallest, char buffer[DURATION_SIZE])
{
	size_t used = 0;
	bool negative = ms < 0;
	uint64_t rest = negative ? -(uint64_t)ms : (uint64_t)ms;

	if (negative)
		buffer[used++] = '-';
	buffer[used] = '\0';
	for (const struct unit *unit = units; unit <= smallest && limit > 0; unit++) {
		uint64_t count = rest / (uint64_t)unit->ms;

		rest %= (uint64_t)unit->ms;
		if (count) {
			used += (size_t)snprintf(buffer + used, DURATION_SIZE - used, "%" PRIu64 "%s", count, unit->word);
			if (used >= DURATION_SIZE)
				break;
		}
		if (count || used > (negative ? 1 : 0))
			limit--;
	}
	if (used == (negative ? 1 : 0))
		snprintf(buffer, DURATION_SIZE, "0s");
	return buffer;
}

const char *
duration_exact(int64_t ms, char buffer[DURATION_SIZE])
{
	return spell(ms, UNITS, &units[UNITS - 1], buffer);
}

const char *
duration_short(int64_t ms, char buffer[DURATION_SIZE])
{
	bool negative = ms < 0;
	uint64_t size = negative ? -(uint64_t)ms : (uint64_t)ms;

	if (size < (uint64_t)SECOND)
		return spell(ms, 1, &units[UNITS - 1], buffer);
	return spell(ms, size < HOUR ? 1 : 2, &units[UNITS - 2], buffer);
}

const char *
duration_clock(int64_t ms, char buffer[DURATION_SIZE])
{
	int64_t seconds = ms < 0 ? 0 : ms / SECOND;

	if (seconds >= 3600)
		snprintf(buffer, DURATION_SIZE, "%" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60),
		    (int)(seconds % 60));
	else
		snprintf(buffer, DURATION_SIZE, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
	return buffer;
}
