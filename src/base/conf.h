/*
 * conf.h: configuration files: sections of "key = value", comments after ; or # (see zkq.conf(5)). What keys mean is in the
 * tables of options.h.
 */
#ifndef ZKQ_BASE_CONF_H
#define ZKQ_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct conf_value {
	char *section, *key, *text;
	char *file;
	int line;
};

struct conf {
	struct conf_value *values;	/* in the order of reading */
	int count;
};

#define CONF_NO_FILE "/dev/null"	/* as the name of a file: nothing is read */

/* Adds the values of file. A missing one adds none when it may be missing. Never blocks on what is no file. Returns true,
 * or false with one line "file:line: what is wrong" in why. A key that stands twice in a file is wrong; a later file may
 * repeat one of an earlier. */
bool conf_read(struct conf *conf, const char *file, bool may_be_missing, char *why, size_t why_size);
void conf_free(struct conf *conf);
/* The last value of the key, or NULL. */
const struct conf_value *conf_find(const struct conf *conf, const char *section, const char *key);
/* Whether any of our programs has that section. */
bool conf_section_known(const char *section);

/* How many letters must be changed, put in or left out, or swapped with their neighbour, to make a from b; for hints. Looks
 * at 63 of each. */
int conf_distance(const char *a, const char *b);

#endif
