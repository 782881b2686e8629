/* Paths, names of children, ids, fences, times, connect strings. What is read is spelled the same again. */
#include <string.h>

#include "codec/json.h"
#include "codec/path.h"
#include "codec/time.h"
#include "fuzz.h"

static void
paths(const char *text)
{
	char buffer[PATH_BUFFER];
	struct node node;

	if (path_parse("/zkq", text, &node)) {
		MUST(path_write("/zkq", &node, false, buffer, sizeof buffer) == (int)strlen(text));
		MUST(strcmp(buffer, text) == 0);
	}
}

static void
names(const char *text)
{
	for (int kind = NODE_STRANGER; kind < NODE_KINDS; kind++) {
		struct node child, folder = { .kind = (enum node_kind)kind, .queue = "q", .worker = "w", .inc = "abcdefgh",
			.seg = 7, .text = "t", .task = { .token = "k3v9q7xa2m4t" } };
		char parent[PATH_BUFFER], path[PATH_BUFFER];

		name_parse(&folder, text, &child);
		MUST((child.kind == NODE_STRANGER) <= (child.text == text));
		if (child.kind == NODE_STRANGER || path_write("/zkq", &folder, false, parent, sizeof parent) < 0)
			continue;
		MUST(path_write("/zkq", &child, false, path, sizeof path) > 0);
		MUST(strncmp(path, parent, strlen(parent)) == 0 && path[strlen(parent)] == '/');
		MUST(strcmp(path + strlen(parent) + 1, text) == 0);
	}
}

static void
small_things(const char *text)
{
	struct task_id id;
	struct fence fence;
	int64_t wall_ms;
	char buffer[ID_MAX + 1], hosts[512], root[ROOT_MAX + 1];

	if (id_parse(text, &id)) {
		id_write(&id, buffer);
		MUST(strcmp(buffer, text) == 0);
	}
	if (fence_parse(text, &fence)) {
		fence_write(fence, buffer);
		MUST(strcmp(buffer, text) == 0);
	}
	if (time_parse(text, &wall_ms)) {
		time_write(wall_ms, buffer);
		MUST(strcmp(buffer, text) == 0);
	}
	if (connect_string_split(text, "/zkq", hosts, sizeof hosts, root, sizeof root)) {
		char again[512], root_again[ROOT_MAX + 1];

		MUST(root_ok(root) && path_ok(root));
		MUST(connect_string_split(hosts, "/zkq", again, sizeof again, root_again, sizeof root_again));
		MUST(strcmp(hosts, again) == 0);
	}
	if (root_ok(text))
		MUST(path_ok(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	paths(text);
	names(text);
	small_things(text);
	free(text);
	return 0;
}
