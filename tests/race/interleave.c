/* SPDX-License-Identifier: BSD-2-Clause */
#include "interleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_SIZE  (256U << 10)
#define REGIONS_MAX 16
#define STEPS_MAX   4096
#define UNDO_MAX    (1U << 16)
#define WORD	    4U /* whether bytes are shared is noted for so many of them */

struct access {
	uintptr_t at;
	size_t len;
	bool writes;
};

struct region {
	uint8_t *memory;
	size_t size;
	uint8_t *touched; /* a word: bit t: thread t has read it; bit 4 + t: written it */
};

/* A decision: which thread makes the next access. */
struct node {
	uint8_t chosen, able, asleep, done;
	struct access next[INTERLEAVE_THREADS];
};

struct thread {
	ucontext_t context;
	uint8_t *stack;
	struct access next;
	bool (*ready)(void *user); /* it waits */
	void *user;
	bool ended;
};

static struct {
	const struct interleave_model *model;
	struct region regions[REGIONS_MAX];
	size_t n_regions;
	struct {
		uint8_t *at;
		uint32_t old;
	} undo[UNDO_MAX];
	size_t n_undo;
	struct thread threads[INTERLEAVE_THREADS];
	ucontext_t main;
	struct node nodes[STEPS_MAX];
	size_t depth, known; /* decisions of this run; of them, decided before it began */
	int running;	     /* thread, or -1: none */
	bool grown, cut, bad, tracks_heap;
	bool at_once; /* the running thread is not to be interrupted */
	char complaint[512];
	struct interleave_count count;
} it = {.running = -1};

void interleave_expect_(bool good, const char *what, const char *file, int line)
{
	if (good || it.bad)
		return;
	it.bad = true;
	snprintf(it.complaint, sizeof(it.complaint), "%s:%d: not so: %s", file, line, what);
}

/* --- Memory ---------------------------------------------------------------------------------- */

void interleave_track(void *memory, size_t size)
{
	struct region *r = &it.regions[it.n_regions];

	if (it.n_regions == REGIONS_MAX)
		abort();
	*r = (struct region){memory, size, calloc(size / WORD + 2, 1)};
	if (!r->touched)
		abort();
	it.n_regions++;
}

void interleave_track_heap(bool on)
{
	it.tracks_heap = on;
}

void interleave_untrack_all(void)
{
	for (size_t i = 0; i < it.n_regions; i++)
		free(it.regions[i].touched);
	it.n_regions = 0;
}

static struct region *region_of(uintptr_t at)
{
	for (size_t i = 0; i < it.n_regions; i++)
		if (at - (uintptr_t)it.regions[i].memory < it.regions[i].size)
			return &it.regions[i];
	return NULL;
}

static bool is_shared(uint8_t touched)
{
	uint8_t writers = touched >> 4, all = writers | (touched & 15);

	return writers && (all & (all - 1));
}

/* Notes who touches it. True: others do as well, and somebody writes it. */
static bool touch(const struct region *r, const struct access *a)
{
	uint8_t mark = (uint8_t)((a->writes ? 16U : 1U) << it.running);
	size_t first = (a->at - (uintptr_t)r->memory) / WORD;
	size_t last = (a->at + a->len - 1 - (uintptr_t)r->memory) / WORD;
	bool shared = false;

	for (size_t i = first; i <= last; i++) {
		bool before = is_shared(r->touched[i]);

		r->touched[i] |= mark;
		if (!is_shared(r->touched[i]))
			continue;
		shared = true;
		if (!before) {
			it.grown = true;
			it.count.places++;
		}
	}
	return shared;
}

static void keep_for_undo(const struct region *r, const struct access *a)
{
	uintptr_t base = (uintptr_t)r->memory, from = (a->at - base) / WORD * WORD;

	for (; from < a->at + a->len - base; from += WORD) {
		if (it.n_undo == UNDO_MAX)
			abort();
		it.undo[it.n_undo].at = r->memory + from;
		memcpy(&it.undo[it.n_undo].old, r->memory + from, WORD);
		it.n_undo++;
	}
}

static void undo_all(void)
{
	while (it.n_undo > 0) {
		it.n_undo--;
		memcpy(it.undo[it.n_undo].at, &it.undo[it.n_undo].old, WORD);
	}
}

/* --- The search ------------------------------------------------------------------------------ */

static bool do_conflict(const struct access *a, const struct access *b)
{
	return (a->writes || b->writes) && a->at < b->at + b->len && b->at < a->at + a->len;
}

/* What it asks is no step of anybody. */
static bool is_able(struct thread *t)
{
	int running = it.running;
	bool able = !t->ended;

	it.running = -1;
	if (able && t->ready)
		able = t->ready(t->user);
	it.running = running;
	return able;
}

static uint8_t lowest_of(uint8_t threads)
{
	return (uint8_t)__builtin_ctz(threads);
}

/* Threads whose next access was tried before the last decision, and has not become different by
 * it: trying it now would make an order that equals one that was run. */
static uint8_t sleepers(void)
{
	const struct node *up = &it.nodes[it.depth - 1];
	uint8_t asleep = 0;

	if (!it.depth)
		return 0;
	for (uint8_t t = 0; t < it.model->n_threads; t++)
		if (((up->asleep | up->done) & (1U << t)) &&
		    !do_conflict(&up->next[t], &up->next[up->chosen]))
			asleep |= (uint8_t)(1U << t);
	return asleep;
}

/* False: nobody is left to go on. */
static bool decide(void)
{
	struct node *n = &it.nodes[it.depth];
	uint8_t choice;

	if (it.depth < it.known) {
		it.depth++;
		return true;
	}
	if (it.depth == STEPS_MAX)
		abort();
	*n = (struct node){.asleep = sleepers()};
	for (uint8_t t = 0; t < it.model->n_threads; t++) {
		n->next[t] = it.threads[t].next;
		if (is_able(&it.threads[t]))
			n->able |= (uint8_t)(1U << t);
	}
	choice = n->able & (uint8_t)~n->asleep;
	if (!choice) {
		it.cut = n->able != 0;
		return false;
	}
	/* Whoever runs goes on, if it may: that spares a switch. */
	n->chosen = it.running >= 0 && (choice & (1U << it.running)) ? (uint8_t)it.running
								     : lowest_of(choice);
	it.depth++;
	return true;
}

/* The running thread stands before an access, or has ended: somebody makes the next one. */
static void schedule(void)
{
	int self = it.running, next;
	bool going = !it.grown && decide();

	next = going ? it.nodes[it.depth - 1].chosen : -1;
	if (next == self)
		return;
	it.running = next;
	swapcontext(&it.threads[self].context, next < 0 ? &it.main : &it.threads[next].context);
}

static void thread_main(int index)
{
	struct thread *t = &it.threads[index];

	it.model->threads[index](it.model->user);
	t->ended = true;
	t->next = (struct access){0};
	schedule();
}

void interleave_await(bool (*ready)(void *user), void *user, const void *reads, size_t len)
{
	struct thread *t = &it.threads[it.running];
	struct access a = {(uintptr_t)reads, len, false};
	const struct region *r = region_of(a.at);

	if (r)
		touch(r, &a);
	t->next = a;
	t->ready = ready;
	t->user = user;
	schedule();
	t->ready = NULL;
}

static void access_memory(const void *at, size_t len, bool writes)
{
	struct access a = {(uintptr_t)at, len, writes};
	const struct region *r;

	if (it.running < 0)
		return;
	r = region_of(a.at);
	if (!r)
		return;
	if (touch(r, &a) && !it.at_once) {
		it.threads[it.running].next = a;
		schedule();
	}
	if (writes)
		keep_for_undo(r, &a);
}

void interleave_at_once(void (*f)(void *user), void *user)
{
	it.threads[it.running].next = (struct access){0, SIZE_MAX / 2, true};
	schedule();
	it.at_once = true;
	f(user);
	it.at_once = false;
}

static void run_once(void)
{
	it.depth = 0;
	it.cut = false;
	it.grown = false;
	it.at_once = false;
	if (it.model->reset)
		it.model->reset(it.model->user);
	for (size_t i = 0; i < it.model->n_threads; i++) {
		struct thread *t = &it.threads[i];
		uint8_t *stack = t->stack;

		*t = (struct thread){.stack = stack};
		getcontext(&t->context);
		t->context.uc_stack.ss_sp = stack;
		t->context.uc_stack.ss_size = STACK_SIZE;
		makecontext(&t->context, (void (*)(void))thread_main, 1, (int)i);
	}
	it.running = -1;
	if (decide()) {
		it.running = it.nodes[0].chosen;
		swapcontext(&it.main, &it.threads[it.running].context);
	}
	it.running = -1;
}

/* False: every order was run. */
static bool go_back(void)
{
	while (it.depth > 0) {
		struct node *n = &it.nodes[it.depth - 1];
		uint8_t choice;

		n->done |= (uint8_t)(1U << n->chosen);
		choice = n->able & (uint8_t) ~(n->asleep | n->done);
		if (choice) {
			n->chosen = lowest_of(choice);
			it.known = it.depth;
			return true;
		}
		it.depth--;
	}
	return false;
}

static void judge(void)
{
	bool all = true;

	for (size_t i = 0; i < it.model->n_threads; i++)
		all &= it.threads[i].ended;
	interleave_expect(all && "nobody waits for ever");
	if (all)
		it.model->check(it.model->user);
	it.count.runs++;
	if (it.depth > it.count.steps_max)
		it.count.steps_max = it.depth;
}

static void print_order(void)
{
	fprintf(stderr, "%s: %s\nin this order (thread, access):\n", it.model->name, it.complaint);
	for (size_t i = 0; i < it.depth; i++) {
		const struct node *n = &it.nodes[i];
		const struct access *a = &n->next[n->chosen];
		const struct region *r = region_of(a->at);

		if (r)
			fprintf(stderr, "  %d %s %zu at %td+0x%zx\n", n->chosen,
				a->writes ? "writes" : "reads ", a->len, r - it.regions,
				(size_t)(a->at - (uintptr_t)r->memory));
	}
}

/* One search. False: it is over, or to begin anew. */
static bool step(void)
{
	run_once();
	if (it.grown) {
		it.known = 0;
		it.count.runs = it.count.cut = 0;
		it.count.restarts++;
		undo_all();
		return true;
	}
	if (it.cut)
		it.count.cut++;
	else
		judge();
	undo_all();
	if (it.bad)
		return false;
	if (it.count.runs > it.model->limit) {
		it.bad = true;
		snprintf(it.complaint, sizeof(it.complaint), "more than %llu orders",
			 (unsigned long long)it.model->limit);
		return false;
	}
	return go_back();
}

bool interleave_explore(const struct interleave_model *model, struct interleave_count *ret_count)
{
	it.model = model;
	it.count = (struct interleave_count){0};
	it.known = 0;
	it.bad = false;
	for (size_t i = 0; i < it.n_regions; i++)
		memset(it.regions[i].touched, 0, it.regions[i].size / WORD + 2);
	for (size_t i = 0; i < model->n_threads; i++) {
		it.threads[i].stack = malloc(STACK_SIZE);
		if (!it.threads[i].stack)
			abort();
	}
	while (step())
		;
	if (it.bad && !model->is_wrong)
		print_order();
	for (size_t i = 0; i < model->n_threads; i++)
		free(it.threads[i].stack);
	*ret_count = it.count;
	return !it.bad;
}

/* --- What -fsanitize=thread calls --------------------------------------------------------------
 */

void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

#define PLAIN(name, size, writes)                                                                  \
	void __tsan_##name(void *at);                                                              \
	void __tsan_##name(void *at)                                                               \
	{                                                                                          \
		access_memory(at, size, writes);                                                   \
	}
#define PLAINS(size)                                                                               \
	PLAIN(read##size, size, false)                                                             \
	PLAIN(write##size, size, true)                                                             \
	PLAIN(unaligned_read##size, size, false)                                                   \
	PLAIN(unaligned_write##size, size, true)                                                   \
	PLAIN(volatile_read##size, size, false)                                                    \
	PLAIN(volatile_write##size, size, true)
PLAINS(1)
PLAINS(2)
PLAINS(4)
PLAINS(8)
PLAINS(16)

void __tsan_read_range(void *at, size_t len);
void __tsan_read_range(void *at, size_t len)
{
	access_memory(at, len, false);
}
void __tsan_write_range(void *at, size_t len);
void __tsan_write_range(void *at, size_t len)
{
	access_memory(at, len, true);
}

#define ATOMIC(bits, type)                                                                         \
	type __tsan_atomic##bits##_load(const volatile type *a, int order);                        \
	type __tsan_atomic##bits##_load(const volatile type *a, int order)                         \
	{                                                                                          \
		access_memory((const void *)(uintptr_t)a, sizeof(*a), false);                      \
		return *a;                                                                         \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile type *a, type v, int order);                     \
	void __tsan_atomic##bits##_store(volatile type *a, type v, int order)                      \
	{                                                                                          \
		access_memory((const void *)(uintptr_t)a, sizeof(*a), true);                       \
		*a = v;                                                                            \
	}                                                                                          \
	type __tsan_atomic##bits##_exchange(volatile type *a, type v, int order);                  \
	type __tsan_atomic##bits##_exchange(volatile type *a, type v, int order)                   \
	{                                                                                          \
		type old;                                                                          \
                                                                                                   \
		access_memory((const void *)(uintptr_t)a, sizeof(*a), true);                       \
		old = *a;                                                                          \
		*a = v;                                                                            \
		return old;                                                                        \
	}                                                                                          \
	type __tsan_atomic##bits##_fetch_add(volatile type *a, type v, int order);                 \
	type __tsan_atomic##bits##_fetch_add(volatile type *a, type v, int order)                  \
	{                                                                                          \
		type old;                                                                          \
                                                                                                   \
		access_memory((const void *)(uintptr_t)a, sizeof(*a), true);                       \
		old = *a;                                                                          \
		*a = (type)(old + v);                                                              \
		return old;                                                                        \
	}                                                                                          \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *a, type *expected,        \
							  type v, int order, int fail_order);      \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *a, type *expected,        \
							  type v, int order, int fail_order)       \
	{                                                                                          \
		access_memory((const void *)(uintptr_t)a, sizeof(*a), true);                       \
		if (*a == *expected) {                                                             \
			*a = v;                                                                    \
			return 1;                                                                  \
		}                                                                                  \
		*expected = *a;                                                                    \
		return 0;                                                                          \
	}                                                                                          \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type v,   \
							int order, int fail_order);                \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type v,   \
							int order, int fail_order)                 \
	{                                                                                          \
		__tsan_atomic##bits##_compare_exchange_strong(a, &expected, v, order, fail_order); \
		return expected;                                                                   \
	}
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* See instrument.h. */
void *interleave_memcpy(void *to, const void *from, size_t len);
void *interleave_memcpy(void *to, const void *from, size_t len)
{
	if (len > 0) {
		access_memory(from, len, false);
		access_memory(to, len, true);
	}
	return memcpy(to, from, len);
}
void *interleave_memset(void *to, int value, size_t len);
void *interleave_memset(void *to, int value, size_t len)
{
	if (len > 0)
		access_memory(to, len, true);
	return memset(to, value, len);
}

/* Linked with --wrap. */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	void *memory = __real_calloc(n, size);

	if (memory && it.tracks_heap && it.running < 0) {
		it.tracks_heap = false;
		interleave_track(memory, n * size);
		it.tracks_heap = true;
	}
	return memory;
}
