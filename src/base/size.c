#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char letters[] = "KMGTP";

const char *
size_parse(const char *text, uint64_t *bytes)
{
	const char *p = text;
	uint64_t sum = 0;

	if (*p < '0' || *p > '9')
		return *p ? "a number is missing" : "empty";
	for (; *p >= '0' && *p <= '9'; p++) {
		if (sum > (UINT64_MAX - 9) / 10)
			return "too large";
		sum = sum * 10 + (uint64_t)(*p - '0');
	}
	if (*p) {
		char letter = *p == 'k' ? 'K' : *p;
		const char *found = strchr(letters, letter);

		if (!found || (p[1] && strcmp(p + 1, "iB") != 0))
			return "unknown unit (K, M, G, T)";
		for (const char *l = letters; l <= found; l++) {
			if (sum > UINT64_MAX / 1024)
				return "too large";
			sum *= 1024;
		}
	}
	*bytes = sum;
	return NULL;
}

const char *
size_short(uint64_t bytes, char buffer[SIZE_TEXT])
{
	uint64_t parts = bytes;		/* 1024ths of the unit; no floating point: its comma would be the locale's */
	const char *unit = letters;

	if (bytes < 1024) {
		snprintf(buffer, SIZE_TEXT, "%" PRIu64 " B", bytes);
		return buffer;
	}
	while (parts >= 1024 * 1024 - 512 && unit[1]) {
		parts /= 1024;
		unit++;
	}
	uint64_t tenths = (parts * 10 + 512) / 1024;
	if (tenths < 100)
		snprintf(buffer, SIZE_TEXT, "%" PRIu64 ".%" PRIu64 " %ciB", tenths / 10, tenths % 10, *unit);
	else
		snprintf(buffer, SIZE_TEXT, "%" PRIu64 " %ciB", (parts + 512) / 1024, *unit);
	return buffer;
}
