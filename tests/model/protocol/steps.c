#include "steps.h"

#include <stdarg.h>
#include <stdio.h>

void
steps_take(struct steps *steps, const struct state *next, bool fault, const char *format, ...)
{
	va_list args;

	if (steps->wants_words) {
		va_start(args, format);
		vsnprintf(steps->words, sizeof steps->words, format, args);
		va_end(args);
	}
	steps->fault = fault;
	steps->take(steps, next);
	steps->broken = NULL;
}
