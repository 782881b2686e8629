/* What a name may look like. */
#include "codec/grammar.h"

#include <string.h>

#include "codec/path.h"
#include "core/limits.h"

#define LOWER_ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM LOWER_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool
all_of(const char *name, size_t len, const char *set, size_t max)
{
	if (len < 1 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name[i] || !strchr(set, name[i]))
			return false;
	return true;
}

bool
queue_ok(const char *name, size_t len)
{
	return all_of(name, len, LOWER_ALNUM "_-", QUEUE_NAME_MAX) && name[0] != '_' && name[0] != '-';
}

bool
worker_ok(const char *name, size_t len)
{
	return all_of(name, len, ALNUM "_-", WORKER_NAME_MAX) && name[0] != '_' && name[0] != '-';
}

bool
inc_ok(const char *inc, size_t len)
{
	return len == INC_MAX && all_of(inc, len, LOWER_ALNUM, INC_MAX);
}

bool
token_ok(const char *token, size_t len)
{
	if (len < TOKEN_LEN || len > TOKEN_MAX || !all_of(token, TOKEN_LEN, LOWER_ALNUM, TOKEN_LEN))
		return false;
	if (len == TOKEN_LEN)
		return true;
	const char *index = token + TOKEN_LEN + 1;
	size_t index_len = len - TOKEN_LEN - 1;
	return token[TOKEN_LEN] == 'x' && all_of(index, index_len, DIGITS, TOKEN_MAX - TOKEN_LEN - 1) &&
	    (index[0] != '0' || index_len == 1);
}

/* Length of the UTF-8 character at text (of which left bytes remain); *code is its number. 0 = none. */
static size_t
utf8_read(const unsigned char *text, size_t left, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 0;

	if (len == 0 || len > left || text[0] > 0xf4)
		return 0;
	*code = len == 1 ? text[0] : text[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	return *code < least[len] ? 0 : len;
}

/* PathUtils.validatePath refuses control characters, surrogates and private use, and what Java's char calls specials;
 * beyond the basic plane all is surrogates. */
bool
znode_name_ok(const char *name, size_t len, size_t max)
{
	if (len < 1 || len > max || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	for (size_t i = 0, step; i < len; i += step) {
		uint32_t code;

		step = utf8_read((const unsigned char *)name + i, len - i, &code);
		if (step == 0 || code == '/' || code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
		    (code >= 0xd800 && code <= 0xf8ff) || code >= 0xfff0)
			return false;
	}
	return true;
}

bool
candidate_ok(const char *name, size_t len, bool digits)
{
	size_t base = UUID_LEN + strlen("-n_");

	return len == base + (digits ? SEQUENCE_DIGITS : 0) && all_of(name, UUID_LEN, HEX, UUID_LEN) &&
	    memcmp(name + UUID_LEN, "-n_", 3) == 0 &&
	    (!digits || all_of(name + base, SEQUENCE_DIGITS, DIGITS, SEQUENCE_DIGITS));
}

bool
queue_name_ok(const char *name)
{
	return queue_ok(name, strlen(name));
}

bool
worker_name_ok(const char *name)
{
	return worker_ok(name, strlen(name));
}

/* "/a/b" ... */
static bool
absolute(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *part = path + 1;; ) {
		size_t part_len = strcspn(part, "/");

		if (!znode_name_ok(part, part_len, SIZE_MAX))
			return false;
		if (!part[part_len])
			return true;
		part += part_len + 1;
	}
}

bool
path_ok(const char *path)
{
	return strcmp(path, "/") == 0 || absolute(path);
}

bool
root_ok(const char *root)
{
	static const char servers_own[] = "/zookeeper";
	size_t len = sizeof servers_own - 1;

	return strlen(root) <= ROOT_MAX && absolute(root) &&
	    (strncmp(root, servers_own, len) != 0 || (root[len] && root[len] != '/'));
}
