/* number.h: numbers for people. */
#ifndef ZKQ_CLI_NUMBER_H
#define ZKQ_CLI_NUMBER_H

#include <stdint.h>

#define NUMBER_SIZE 32

/* "1,234,567". */
const char *number_grouped(int64_t number, char buffer[NUMBER_SIZE]);

#endif
