/* Lengths of time, sizes, times of day. What is read can be printed and read again; printing takes any number; the locale
 * changes nothing. */
#include <inttypes.h>
#include <string.h>

#include "base/duration.h"
#include "base/size.h"
#include "codec/time.h"
#include "fuzz.h"

#define LONGEST (100LL * 366 * 24 * 3600 * 1000)

static void
duration(const char *text)
{
	char printed[DURATION_SIZE];
	int64_t ms = -7, again = -7;
	const char *why = duration_parse(text, &ms);

	fuzz_abroad(true);
	MUST(duration_parse(text, &again) == why && again == ms);
	MUST(!why == (ms != -7));
	if (why)
		return;
	MUST(ms >= 0 && ms <= LONGEST);
	duration_exact(ms, printed);
	fuzz_abroad(false);
	MUST(strlen(printed) < DURATION_SIZE - 1 && !duration_parse(printed, &again) && again == ms);
	/* The same digits and letters in another spelling, not more. */
	MUST(strspn(text, "0123456789:dhms") == strlen(text));
}

/* Both locales print the same, in the room that is promised, and printably. */
static void
print(int64_t ms)
{
	static const char *(*const printers[])(int64_t, char *) = { duration_exact, duration_short, duration_clock };
	char here[DURATION_SIZE], there[DURATION_SIZE];

	for (int i = 0; i < 3; i++) {
		fuzz_abroad(true);
		printers[i](ms, there);
		fuzz_abroad(false);
		printers[i](ms, here);
		MUST(strcmp(here, there) == 0 && *here && strlen(here) < DURATION_SIZE - 1);
		MUST(strspn(here, "-0123456789dhms:") == strlen(here));
		MUST(i == 2 || (*here == '-') == (ms < 0) || strcmp(here, "0s") == 0);
	}
	if (ms >= 0 && ms <= LONGEST) {
		int64_t again;

		MUST(!duration_parse(duration_exact(ms, here), &again) && again == ms);
		MUST(!duration_parse(duration_short(ms, here), &again) && again <= ms);
		if (ms >= 1000)		/* half of a minute at most is left out, or of an hour's fraction */
			MUST(ms - again <= ms / 2);
	}
}

static void
size_text(const char *text)
{
	uint64_t bytes = 7, again = 7;
	char printed[24];
	const char *why = size_parse(text, &bytes);

	fuzz_abroad(true);
	MUST(size_parse(text, &again) == why && again == bytes);
	fuzz_abroad(false);
	if (why)
		return;
	snprintf(printed, sizeof printed, "%" PRIu64, bytes);
	MUST(!size_parse(printed, &again) && again == bytes);
}

static void
size_print(uint64_t bytes)
{
	static const char units[] = "BKMGTP";
	char here[SIZE_TEXT], there[SIZE_TEXT];
	char unit;
	unsigned whole, tenth = 0;

	fuzz_abroad(true);
	size_short(bytes, there);
	fuzz_abroad(false);
	size_short(bytes, here);
	MUST(strcmp(here, there) == 0 && strlen(here) < SIZE_TEXT - 1);
	MUST(sscanf(here, "%u.%u %c", &whole, &tenth, &unit) == 3 || sscanf(here, "%u %c", &whole, &unit) == 2);
	MUST(strchr(units, unit) && tenth < 10 && whole < (unit == 'P' ? 20000u : 1025u));
	double shown = whole + tenth / 10.0;
	for (const char *u = units; *u != unit; u++)
		shown *= 1024;
	MUST(shown >= (double)bytes * 0.94 && shown <= (double)bytes * 1.06);
}

static void
times(const char *text, int64_t any)
{
	char buffer[25], there[25];
	int64_t wall_ms, again;

	if (time_parse(text, &wall_ms)) {
		time_write(wall_ms, buffer);
		MUST(strcmp(buffer, text) == 0);
	}
	time_write(any, buffer);
	fuzz_abroad(true);
	time_write(any, there);
	MUST(strcmp(buffer, there) == 0);
	MUST(time_parse(there, &again));
	fuzz_abroad(false);
	MUST(again == any || again == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	uint64_t number = 0;

	memcpy(&number, data, size < sizeof number ? size : sizeof number);
	fuzz_abroad(false);
	duration(text);
	size_text(text);
	times(text, (int64_t)number);
	print((int64_t)number);
	size_print(number);
	free(text);
	return 0;
}
