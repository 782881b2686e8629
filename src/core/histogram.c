#include "core/histogram.h"

const int64_t histogram_limits_ms[HISTOGRAM_LIMITS] = {
	1, 5, 25, 100, 500, 1000, 5000, 30000, 60000, 300000, 1800000, 3600000, 21600000, 86400000,
};

void
histogram_add(struct histogram *histogram, int64_t ms)
{
	int i = 0;

	if (ms < 0)
		ms = 0;
	while (i < HISTOGRAM_LIMITS && ms > histogram_limits_ms[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_ms += ms;
}
