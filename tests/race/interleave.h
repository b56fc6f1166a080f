/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a few short threads over shared memory in every order that can make a difference, with the
 * real code: what is compiled with -fsanitize=thread calls the functions of interleave.c before
 * each of its memory accesses, plain or atomic, where the sanitizer's library would stand. They
 * switch between coroutines, one of them at a time, as a search decides.
 *
 * The search is exhaustive: depth first, with sleep sets, so that of all orders that differ only by
 * exchanging accesses which do not conflict (other bytes, or both reads) one is run. Only accesses
 * to bytes that two threads touch, one of them writing, are places to switch at; which those are is
 * found out on the way, and the search begins anew when there are more. Memory is sequentially
 * consistent here: what weaker machines add is TSan's to find, and docs/architecture.md's to argue.
 */
#ifndef INLAY_TESTS_INTERLEAVE_H
#define INLAY_TESTS_INTERLEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERLEAVE_THREADS 3

struct interleave_model {
	const char *name;
	void *user;
	size_t n_threads;
	void (*threads[INTERLEAVE_THREADS])(void *user);
	/* Before each run: what is not in tracked memory. */
	void (*reset)(void *user);
	/* After each run. Says by interleave_expect() what is wrong. */
	void (*check)(void *user);
	uint64_t limit; /* of runs: more is a failure */
	bool is_wrong;	/* and known to be: the bad order is not printed */
};

struct interleave_count {
	uint64_t runs; /* orders that were run to their end: all different */
	uint64_t cut;  /* and those that turned out to equal one of them */
	uint64_t restarts;
	size_t places;	  /* words that threads share */
	size_t steps_max; /* accesses of all threads to them in the longest run */
};

/* Memory that the threads share: in every run it begins as it is at interleave_explore(). */
void interleave_track(void *memory, size_t size);
/* So is what calloc() gives from now on, until false. */
void interleave_track_heap(bool on);
void interleave_untrack_all(void);

/* True: every order was run, and nothing was wrong. Otherwise the first bad order is printed. */
bool interleave_explore(const struct interleave_model *model, struct interleave_count *ret_count);

/* In a thread: goes on once |ready| says so, which reads no tracked memory but |reads|. */
void interleave_await(bool (*ready)(void *user), void *user, const void *reads, size_t len);

/* In a thread: |f| is one step, which conflicts with every other. */
void interleave_at_once(void (*f)(void *user), void *user);

/* In a thread or in check(): the run was bad. The rest of it goes on. */
void interleave_expect_(bool good, const char *what, const char *file, int line);
#define interleave_expect(good) interleave_expect_(good, #good, __FILE__, __LINE__)

#endif
