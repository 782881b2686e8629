#include "config.h"

#include "cli/line.h"

#include <errno.h>
#include <string.h>

#include "base/exits.h"
#include "cli/cli.h"

static int
wrong(struct line_input *input, int *code, const char *what)
{
	*code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s, line %d: %s", input->name, input->number, what);
	return -1;
}

int
line_next(struct line_input *input, int *code)
{
	size_t len = 0;
	int c;

	errno = 0;
	while ((c = getc(input->in)) != EOF && c != '\n') {
		if (len == 0)
			input->number++;
		if (c == '\0')
			return wrong(input, code, "holds a NUL byte: not a text file");
		if (len == input->size - 1)
			return wrong(input, code, "longer than any line of it may be");
		input->text[len++] = (char)c;
	}
	if (ferror(input->in)) {
		*code = cli_fail(EXIT_IO, "IO", NULL, true, "cannot read %s: %s", input->name, strerror(errno));
		return -1;
	}
	if (c == EOF && len == 0)
		return 0;
	input->number += len == 0;
	if (len && input->text[len - 1] == '\r')
		len--;
	input->text[len] = '\0';
	return 1;
}
