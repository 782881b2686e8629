/* The calendar by rule, for any time zone and locale of the process; C has no portable inverse of gmtime(). */
#include "codec/time.h"

#include <stdio.h>

#define DAY_MS 86400000LL
#define YEAR_0_DAY (-719528LL)		/* days from 1970-01-01 to 0000-01-01, proleptic Gregorian */
#define YEAR_10000_DAY 2932897LL

/* Days since 1970-01-01 of a date; years count from March, so the leap day is their last. */
static int64_t
days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(years + era * 400 + (*month <= 2));
}

void
time_write(int64_t wall_ms, char buffer[25])
{
	int64_t days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
	int ms = (int)(wall_ms % DAY_MS), year, month, day;

	if (ms < 0)
		ms += (int)DAY_MS;

	/* A clock beyond four-digit years is wrong anyway; the record must stay readable. */
	if (days < YEAR_0_DAY || days >= YEAR_10000_DAY)
		days = ms = 0;
	date_of(days, &year, &month, &day);
	snprintf(buffer, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000u, (unsigned)month % 100u,
	    (unsigned)day % 100u, (unsigned)ms / 3600000u % 100u, (unsigned)ms / 60000u % 60u, (unsigned)ms / 1000u % 60u,
	    (unsigned)ms % 1000u);
}

/* Reads count digits and then stop; text moves behind it. */
static bool
digits(const char **text, int count, char stop, int *number)
{
	*number = 0;
	for (; count > 0; count--, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*number = *number * 10 + (**text - '0');
	}
	return *(*text)++ == stop;
}

bool
time_parse(const char *text, int64_t *wall_ms)
{
	int year, month, day, hour, minute, second, ms;

	if (!digits(&text, 4, '-', &year) || !digits(&text, 2, '-', &month) || !digits(&text, 2, 'T', &day) ||
	    !digits(&text, 2, ':', &hour) || !digits(&text, 2, ':', &minute) || !digits(&text, 2, '.', &second) ||
	    !digits(&text, 3, 'Z', &ms) || *text)
		return false;
	if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
		return false;
	int64_t days = days_of(year, month, day), next = month == 12 ? days_of(year + 1, 1, 1) :
	    days_of(year, month + 1, 1);
	if (days >= next)
		return false;
	*wall_ms = days * DAY_MS + hour * 3600000LL + minute * 60000LL + second * 1000LL + ms;
	return true;
}
