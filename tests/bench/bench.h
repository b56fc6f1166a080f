/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What benchmarks share: where they ran, on which CPU, and numbers that say how sure they are.
 * Contenders take turns, run by run, so that whatever else the machine does falls on all of them.
 */
#ifndef INLAY_BENCH_H
#define INLAY_BENCH_H

#include <jansson.h>
#include <signal.h>

#include "inlay_types.h"

#define BENCH_MAX_RUNS 101

/* Where it runs. */
struct bench_host {
	char cpu[128];	  /* model name */
	char kernel[160]; /* system, release, machine */
	int cpus;	  /* online */
	int pinned;	  /* number of the CPU we are on; -1: not pinned */
};

/* One contender's results, a number for each run. */
struct bench_series {
	double samples[BENCH_MAX_RUNS];
	int n;
};

inlay_ns bench_now(void);

/* --- Options ---------------------------------------------------------------------------------- */

/* False: out of range, or no number. */
bool bench_parse_number(const char *text, long low, long high, long *ret);
/* Of |n| contenders, the one that is left out. False: none has that name. */
bool bench_parse_without(const char *text, const char *const *names, size_t n, bool *skip);

/* --- As root ---------------------------------------------------------------------------------- */

#define BENCH_SKIPPED 77

/* SIGINT or SIGTERM came, after bench_begin_as_root(): what waits returns, and all that was started
 * is to be ended. */
extern volatile sig_atomic_t bench_stopped;
/* For network namespaces and eBPF. False: this is not root, which was said. */
bool bench_begin_as_root(const char *name);

/* --- Where, and how sure ---------------------------------------------------------------------- */

/* Pins this thread to |cpu|, or (-1) to the last CPU it may use, and describes the host. */
void bench_host_init(struct bench_host *host, int cpu);

void bench_series_add(struct bench_series *s, double sample);
double bench_series_median(const struct bench_series *s);
/* Distance of the quartiles, as a part of the median. */
double bench_series_spread(const struct bench_series *s);

/* Sorts; |at| in [0, 1]. 0: no samples. */
double bench_quantile(float *samples, size_t n, double at);

/* One line: CPU, kernel, pinning, runs. */
void bench_print_host(const struct bench_host *host, int runs);
/* The same as JSON: an object to which a benchmark adds its rows. */
json_t *bench_meta(const struct bench_host *host, const char *name, int runs);
/* 0; -errno. Takes |root| over. |path| NULL: only releases. */
int bench_write_json(json_t *root, const char *path);
/* The same, and says what went wrong. The program's exit code: |ret|, or 1. */
int bench_end(json_t *root, const char *path, int ret);

#endif
