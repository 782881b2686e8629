#include "cli/number.h"

#include <inttypes.h>
#include <stdio.h>

const char *
number_grouped(int64_t number, char buffer[NUMBER_SIZE])
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRId64, number), used = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			buffer[used++] = ',';
		buffer[used++] = digits[i];
	}
	buffer[used] = '\0';
	return buffer;
}
