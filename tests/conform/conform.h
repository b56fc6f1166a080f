/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The conformance suite's frame: suites of cases against one target, and what came of each.
 *
 * A case states what it needs. What the target does not claim is skipped, with the reason; what it
 * claims and does not do is a failure; a suite of which nothing ran is a failure too. Each case
 * runs in a process of its own, and no longer than the target's |seconds|.
 */
#ifndef INLAY_TESTS_CONFORM_H
#define INLAY_TESTS_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "device.h"

#define CONFORM_SECONDS 60   /* of one case, unless told */
#define CONFORM_WHY	1024 /* room of a reason */
#define CONFORM_NAME	128
#define CONFORM_ANSWER	(1 + CONFORM_WHY)

struct inlay_nic_profile;

enum conform_kind {
	CONFORM_LOCAL,	   /* the provider in this process */
	CONFORM_PLUGIN,	   /* a vendor's, from a shared object */
	CONFORM_NETDEVSIM, /* the kernel's simulated device, made for the suite */
	CONFORM_NETDEV,	   /* a network device */
};

/* What is tested. */
struct conform_target {
	enum conform_kind kind;
	const char *device; /* as the user named it */
	char title[160];    /* as the report names it */
	const struct inlay_nic_profile *profile;
	const struct inlay_conform_device *crypto; /* local and plugin */
	__u32 ciphers;				   /* bit n: enum inlay_cipher n. From caps() */
	unsigned int seconds;			   /* that one case may take */
};

/* A need of cases: a bit of |needs|, and why |target| lacks it, or NULL where it claims it. */
struct conform_need {
	__u32 bit;
	const char *text;
	const char *(*lacks)(const struct conform_target *target);
};

/* Of one case while it runs, in its own process. The first check that failed (case_check.h). */
struct conform_env {
	const struct conform_target *target;
	const char *failed_at;
	const char *failed_what;
	char detail[CONFORM_WHY]; /* what else there is to say of it, or why it was skipped */
};

struct conform_case {
	char name[CONFORM_NAME]; /* a sentence in snake_case, unique in its suite */
	const char *text;	 /* what must hold */
	__u32 needs;
	size_t index; /* the suite's own */
};

#define CONFORM_SKIP 1 /* run() found that the target lacks something: |detail| says what */

struct conform_suite {
	const char *name;
	const char *text;
	/* What passing does not prove; NULL: nothing to add. */
	const char *(*limits)(const struct conform_target *target);
	bool (*applies)(const struct conform_target *target);
	/* Before the first case. 0; -1: |why|, and the suite failed. NULL: nothing to do. */
	int (*open)(struct conform_target *target, char why[CONFORM_WHY]);
	/* After each case, however it ended: takes away what it may have left. NULL: nothing. */
	void (*clean)(const struct conform_target *target);
	/* Asked after a failure: without its device the suite ends. NULL: that cannot happen. */
	bool (*is_gone)(const struct conform_target *target);
	const struct conform_need *needs;
	size_t n_needs;
	size_t (*count)(void);
	void (*describe)(size_t i, struct conform_case *ret_case);
	/* 0: passed; -1: failed, with |env|; CONFORM_SKIP. */
	int (*run)(struct conform_env *env, const struct conform_case *c);
};

extern const struct conform_suite conform_crypto, conform_bpf_offload;

enum conform_verdict {
	CONFORM_PASSED,
	CONFORM_FAILED,
	CONFORM_SKIPPED,
};

struct conform_outcome {
	const struct conform_suite *suite;
	struct conform_case c;
	enum conform_verdict verdict;
	char why[CONFORM_WHY]; /* of a failure or a skip; what to know of a case that passed */
	double seconds;
};

struct conform_report {
	const struct conform_target *target;
	const struct conform_suite *suites[4];
	size_t n_suites;
	struct conform_outcome *outcomes;
	size_t n, room;
	char kernel[224];
	char when[32];
};

/* How a report is told. |begin| and |outcome| as it goes, |end| with all of it; each may be NULL.
 */
struct conform_format {
	const char *name;
	void (*begin)(const struct conform_report *report, FILE *out);
	void (*outcome)(const struct conform_report *report, const struct conform_outcome *outcome,
			FILE *out);
	void (*end)(const struct conform_report *report, FILE *out);
};

extern const struct conform_format conform_tap, conform_json, conform_junit, conform_html;

/* Runs |body|, which returns the length of its answer, 1 and more, in a process of its own. False:
 * it crashed, hung or ended without an answer: |why|. */
bool conform_apart(unsigned int seconds, size_t (*body)(void *user, char text[CONFORM_ANSWER]),
		   void *user, char ret[CONFORM_ANSWER], size_t *ret_len, char why[CONFORM_WHY]);
/* The cases of |suite| whose names match |filter| (fnmatch; NULL: all). False: out of memory. */
bool conform_run(struct conform_report *report, struct conform_target *target,
		 const struct conform_suite *suite, const char *filter,
		 const struct conform_format *format, FILE *out);
/* Of one suite; NULL: of all. */
size_t conform_count(const struct conform_report *report, const struct conform_suite *suite,
		     enum conform_verdict verdict);
/* Nothing failed, and something ran. */
bool conform_good(const struct conform_report *report);

#endif
