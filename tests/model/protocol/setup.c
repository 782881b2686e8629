#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setup setup = {
#define X(name, text) .name = true,
	PROTECTIONS(X)
#undef X
#define X(name, value, text) .name = value,
	NUMBERS(X)
#undef X
};

static const struct protection {
	const char *name;
	bool *force;
	const char *text;
} protections[] = {
#define X(name, text) { #name, &setup.name, text },
	PROTECTIONS(X)
#undef X
};
#define PROTECTION_COUNT (int)(sizeof protections / sizeof protections[0])

static const struct number {
	const char *name;
	int *value;
	const char *text;
} numbers[] = {
#define X(name, value, text) { #name, &setup.name, text },
	NUMBERS(X)
#undef X
	{ "expl", &setup.budget[FAULT_EXPIRE_LEADER], "the session of the leader expires" },
	{ "expw", &setup.budget[FAULT_EXPIRE_WORKER], "the session of a worker expires, its process lives on" },
	{ "crash", &setup.budget[FAULT_CRASH], "a worker crashes with all its tasks" },
	{ "exps", &setup.budget[FAULT_EXPIRE_SUBMITTER], "the session of a submitter expires with a submit on its way" },
	{ "losts", &setup.budget[FAULT_LOST_SUBMIT], "a submit or its answer is lost" },
	{ "lostl", &setup.budget[FAULT_LOST_LEADER], "a multi of the leader or its answer is lost" },
	{ "lostw", &setup.budget[FAULT_LOST_WORKER], "a finish or its answer is lost" },
	{ "rel", &setup.budget[FAULT_RELEASE], "a worker gives a claim back unstarted" },
	{ "fail", &setup.budget[FAULT_FAIL], "an attempt fails and is to be tried again" },
	{ "dead", &setup.budget[FAULT_DEAD], "a task becomes a dead letter" },
	{ "cancel", &setup.budget[FAULT_CANCEL], "somebody cancels a task" },
	{ "remove", &setup.budget[FAULT_REMOVE], "somebody removes a task by hand" },
};
#define NUMBER_COUNT (int)(sizeof numbers / sizeof numbers[0])

bool
setup_remove(const char *name)
{
	for (int i = 0; i < PROTECTION_COUNT; i++) {
		if (strcmp(protections[i].name, name) == 0) {
			*protections[i].force = false;
			return true;
		}
	}
	return false;
}

bool
setup_set(const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	size_t len = equals ? (size_t)(equals - assignment) : 0;

	for (int i = 0; i < NUMBER_COUNT && equals; i++) {
		char *end;
		long value = strtol(equals + 1, &end, 10);

		if (strlen(numbers[i].name) != len || strncmp(numbers[i].name, assignment, len) != 0)
			continue;
		*numbers[i].value = (int)value;
		return !*end && end > equals + 1 && value >= 0 && value < 16;
	}
	return false;
}

bool
setup_fits(void)
{
	return setup.tasks >= 1 && setup.tasks <= TASKS_MAX && setup.last <= setup.tasks &&
	    setup.lives >= 1 && setup.lives <= LIVES_MAX && setup.segment >= 1 &&
	    setup.segments >= 1 && setup.segments <= SEGMENTS_MAX;
}

void
setup_help(void)
{
	fprintf(stderr, "protections (-p NAME removes one):\n");
	for (int i = 0; i < PROTECTION_COUNT; i++)
		fprintf(stderr, "  %-13s %s\n", protections[i].name, protections[i].text);
	fprintf(stderr, "numbers (-b NAME=NUMBER):\n");
	for (int i = 0; i < NUMBER_COUNT; i++)
		fprintf(stderr, "  %-13s %s (%d)\n", numbers[i].name, numbers[i].text, *numbers[i].value);
}

int
setup_task(int submitter, int n)
{
	int first = submitter ? setup.tasks - setup.last : 0;
	int end = submitter ? setup.tasks : setup.tasks - setup.last;

	return n < end - first ? first + n : NO_TASK;
}
