/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of vectors through the native forwarder. With the argument "print": what comes out, as
 * the table has it. Built with INLAY_MUTATION, it runs the table through each mutant of
 * bpf/forward/mutations.def instead, and wants each to be told from the forwarder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/golden.h"
#include "inlay_writer.h"
#include "state.h"
#include "vector.h"
#include "work.h"

struct out {
	__u32 subscriber;
	__u64 pn;
	__u8 head[INLAY_COPY_HEAD];
	__u32 head_len;
	const __u8 *payload;
	__u32 payload_len;
	struct inlay_sent sent;
};

#ifdef INLAY_MUTATION
int INLAY_MUTATION; /* which one is compiled in: chosen while it runs */
#endif

static struct inlay_state *st;
static const struct inlay_tables *t;
static struct inlay_forwarder f;
static struct out outs[64];
static __u32 n_outs;
static struct inlay_reason_counters before;
static char difference[256]; /* from the table, the first of a vector */
static const struct vector_step *current;
static __u64 current_pn, highest[VECTOR_SLOTS];

#define DIFFER(...)                                                                                \
	do {                                                                                       \
		if (!difference[0])                                                                \
			snprintf(difference, sizeof(difference), __VA_ARGS__);                     \
	} while (0)

/* What others wait for is not there while copies are made. */
static void check_meanwhile(void)
{
	__u64 word = t->journals[current_pn & (VECTOR_LOG - 1)].word;

	if (!(t->contexts[0].epoch & 1))
		DIFFER("a copy outside of the epoch");
	if (t->upstreams[0].owner != 1)
		DIFFER("a copy without being the owner");
	if (word != INLAY_JOURNAL_WORD(current_pn, INLAY_JOURNAL_CLAIMED))
		DIFFER("a copy of a packet that is not just claimed");
	for (__u32 i = 0; i < VECTOR_SLOTS && !current->frames[1].kind; i++)
		if (t->slots[i].highest > highest[i])
			DIFFER("the highest offset before the copies");
}

static void emit(void *user, const struct inlay_copy *copy)
{
	struct out *o = &outs[n_outs++];

	assert_true(n_outs <= INLAY_ARRAY_SIZE(outs));
	o->subscriber = (__u32)((copy->sent - t->logs) / t->log_stride);
	o->pn = copy->pn;
	memcpy(o->head, copy->head, copy->head_len);
	o->head_len = copy->head_len;
	o->payload = copy->payload;
	o->payload_len = copy->payload_len;
	o->sent = *copy->sent;
	check_meanwhile();
	/* What a provider and a port are told is what the head says. */
	assert_int_equal(copy->sa, 100 + o->subscriber);
	assert_int_equal(copy->sa_generation, 1);
	assert_int_equal(copy->ecn, t->subscribers[o->subscriber].ecn);
	assert_int_equal(copy->quic_len, copy->headers->quic_len);
	assert_int_equal(copy->quic_at, copy->headers->ip_len
						? copy->headers->l2_len + copy->headers->ip_len + 8
						: 0);
}

/* Runs a step; its packet is left in |packet|. */
static enum inlay_forward_verdict run_step(const struct vector_step *step, __u8 *packet, __u64 *pn)
{
	enum inlay_forward_verdict verdict;
	__u8 copy[INLAY_FRAME_MAX];
	size_t len;

	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->set) && step->set[i].field; i++)
		vector_word_set(t, &step->set[i]);
	len = vector_packet(step, packet, pn);
	memcpy(copy, packet, len);
	current = step;
	current_pn = *pn;
	for (__u32 i = 0; i < VECTOR_SLOTS; i++)
		highest[i] = t->slots[i].state ? t->slots[i].highest : 0;
	n_outs = 0;
	before = f.reasons;
	verdict = inlay_forwarder_run(&f, packet, len, VECTOR_TIME);
	assert_memory_equal(copy, packet, len);
	assert_int_equal(t->contexts[0].epoch & 1, 0);
	return verdict;
}

/* --- Comparing ------------------------------------------------------------------------------- */

static void check_copies(const struct vector_step *step, const __u8 *packet)
{
	__u8 head[INLAY_COPY_HEAD];
	__u32 n = 0;

	for (; n < VECTOR_COPIES && step->copies[n].head; n++) {
		const struct vector_copy *c = &step->copies[n];

		if (n >= n_outs) {
			DIFFER("copy %u is missing", n);
			return;
		}
		if (outs[n].subscriber != c->subscriber || outs[n].pn != c->pn)
			DIFFER("copy %u is another's", n);
		if (outs[n].head_len != vector_hex(c->head, head, sizeof(head)) ||
		    memcmp(outs[n].head, head, outs[n].head_len) != 0)
			DIFFER("head of copy %u differs", n);
		if (outs[n].payload != packet + c->payload_at ||
		    outs[n].payload_len != c->payload_len)
			DIFFER("payload of copy %u is elsewhere", n);
		if (memcmp(&outs[n].sent, &c->sent, sizeof(c->sent)) != 0)
			DIFFER("log entry of copy %u differs", n);
	}
	if (n != n_outs)
		DIFFER("%u copies, not %u", n_outs, n);
}

static void check_reasons(const struct vector_step *step)
{
	struct inlay_reason_counters want = before;

	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->reasons) && step->reasons[i]; i++)
		want.count[step->reasons[i] - 1]++;
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (want.count[i] != f.reasons.count[i])
			DIFFER("%s counted %d times", inlay_reason_name(i),
			       (int)(f.reasons.count[i] - before.count[i]));
}

static void check_journal(const struct vector_step *step, __u64 pn)
{
	const struct inlay_journal *j = &t->journals[pn & (VECTOR_LOG - 1)];

	if (j->word != INLAY_JOURNAL_WORD(pn, INLAY_JOURNAL_DONE) ||
	    j->serial != (__u32)t->upstreams[0].serial)
		DIFFER("the journal's entry");
	for (__u32 i = 0; i < INLAY_JOURNAL_FRAMES; i++)
		if (j->verdicts[i] != step->media[i])
			DIFFER("verdict %u of frame %u", j->verdicts[i], i);
}

static void check_words(const struct vector_step *step)
{
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->after) && step->after[i].field; i++) {
		const struct vector_word *w = &step->after[i];
		__u64 value = vector_word_get(t, w->field, w->i);

		if (value != w->value)
			DIFFER("%s %u is %llu, not %llu", vector_field_name(w->field), w->i,
			       (unsigned long long)value, (unsigned long long)w->value);
	}
}

/* Does it come out as the table has it? Else |difference| says what does not. */
static bool run_vector(const struct vector *v)
{
	__u8 packet[INLAY_FRAME_MAX];
	__u64 pn = ~0ULL;

	difference[0] = 0;
	vector_scene_set(t, v);
	for (__u32 s = 0; vector_has_step(v, s) && !difference[0]; s++) {
		const struct vector_step *step = &v->steps[s];
		enum inlay_forward_verdict verdict = run_step(step, packet, &pn);

		if (verdict != step->verdict)
			DIFFER("verdict %d", verdict);
		else if (verdict == INLAY_FORWARD_DONE)
			check_journal(step, pn);
		check_copies(step, packet);
		check_reasons(step);
		if (!difference[0]) /* a mutant may have no slot to look into */
			check_words(step);
	}
	return !difference[0];
}

#ifndef INLAY_MUTATION

static void every_vector_comes_out_as_the_table_has_it(void **state)
{
	for (__u32 i = 0; i < vectors_count; i++) {
		assert_true(vector_has_step(&vectors[i], 0));
		if (!run_vector(&vectors[i]))
			fail_msg("%s: %s", vectors[i].name, difference);
	}
}

#else

static void every_mutant_is_told_from_the_forwarder(void **state)
{
	static const char *const names[] = {
		"NONE",
#define MUTATION(name, text) #name,
#include "mutations.def"
#undef MUTATION
	};

	for (int mutant = 0; mutant < INLAY_N_MUTANTS; mutant++) {
		__u32 caught = 0;

		INLAY_MUTATION = mutant;
		for (__u32 i = 0; i < vectors_count; i++)
			caught += !run_vector(&vectors[i]);
		if (!mutant != !caught)
			fail_msg("%s: %u vectors differ", names[mutant], caught);
	}
	INLAY_MUTATION = INLAY_MUTANT_NONE;
}

#endif

static void names_of_vectors_are_unique(void **state)
{
	assert_true(vectors_count >= 60);
	for (__u32 i = 0; i < vectors_count; i++)
		for (__u32 k = i + 1; k < vectors_count; k++)
			assert_string_not_equal(vectors[i].name, vectors[k].name);
}

/* --- Printing -------------------------------------------------------------------------------- */

static void print_copy(const struct out *o, const __u8 *packet)
{
	printf("COPY(%u, %llu, \"", o->subscriber, (unsigned long long)o->pn);
	for (__u32 i = 0; i < o->head_len; i++)
		printf("%02x", o->head[i]);
	printf("\", %u, %u, %u, %llu, %u, %u, 0x%x),",
	       o->payload_len ? (__u32)(o->payload - packet) : (__u32)(o->payload - packet),
	       o->payload_len, o->sent.stream, (unsigned long long)o->sent.offset,
	       o->sent.payload_len, o->sent.packet_size, o->sent.flags);
}

static void print_step(const struct vector_step *step, __u64 *pn)
{
	static const char *const names[] = {"DECLINED", "FORWARDED", "OLD"};
	__u8 packet[INLAY_FRAME_MAX];
	enum inlay_forward_verdict verdict = run_step(step, packet, pn);
	const struct inlay_journal *j = &t->journals[*pn & (VECTOR_LOG - 1)];

	printf("%s|", verdict == INLAY_FORWARD_DONE ? "DONE" : "PASS");
	for (__u32 i = 0; verdict == INLAY_FORWARD_DONE && i < j->n; i++)
		printf("%s,", names[j->verdicts[i]]);
	printf("|");
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		for (__u64 k = before.count[i]; k < f.reasons.count[i]; k++)
			printf("WHY(%s),", inlay_reason_name(i));
	printf("|");
	for (__u32 i = 0; i < n_outs; i++)
		print_copy(&outs[i], packet);
	printf("\n");
}

static void print(void)
{
	for (__u32 i = 0; i < vectors_count; i++) {
		__u64 pn = ~0ULL;

		vector_scene_set(t, &vectors[i]);
		for (__u32 s = 0; vector_has_step(&vectors[i], s); s++)
			print_step(&vectors[i].steps[s], &pn);
	}
}

/* --- Seeds for the fuzzer ----------------------------------------------------------------------
 */

/* A step as tests/fuzz/forwarder_fuzz.c reads it: its frames, behind how far its number is from
 * the one expected. */
static void put_record(struct inlay_writer *out, const struct vector_step *step, __u64 *pn)
{
	__u8 packet[INLAY_FRAME_MAX];
	size_t len = vector_packet(step, packet, pn), head = 13;

	if (len < head + INLAY_TAG)
		return;
	len -= head + INLAY_TAG;
	assert_true(inlay_writer_u8(out, 1) && inlay_writer_be16(out, (__u16)(len + 1)) &&
		    inlay_writer_u8(out, (__u8)(1 + step->skip - step->again)) &&
		    inlay_writer_bytes(out, packet + head, len));
}

/* One seed a vector of several steps: the others are parts of these. */
static void write_seeds(void)
{
	static const __u8 recall[] = {2, 0, 4, 0, 0, 0, 0};

	for (__u32 i = 0; i < vectors_count; i++) {
		__u8 seed[4 * INLAY_FRAME_MAX];
		struct inlay_writer out = inlay_writer_of(seed, sizeof(seed));
		struct golden one = {.name = vectors[i].name, .bytes = seed};
		__u64 pn = ~0ULL;

		if (!vector_has_step(&vectors[i], 1) && i % 4)
			continue;
		assert_true(inlay_writer_u8(&out, (__u8)(vectors[i].positions - 1)) &&
			    inlay_writer_u8(&out, 0));
		for (__u32 s = 0; vector_has_step(&vectors[i], s); s++) {
			/* Some recall the first position in the first slot. */
			if (s == 1 && i % 3 == 0)
				assert_true(inlay_writer_bytes(&out, recall, sizeof(recall)));
			put_record(&out, &vectors[i].steps[s], &pn);
		}
		one.len = inlay_writer_len(&out);
		golden_corpus("forwarder", &one, 1);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#ifdef INLAY_MUTATION
		cmocka_unit_test(every_mutant_is_told_from_the_forwarder),
#else
		cmocka_unit_test(every_vector_comes_out_as_the_table_has_it),
#endif
		cmocka_unit_test(names_of_vectors_are_unique),
	};
	const struct inlay_state_config config = VECTOR_STATE;
	int failed;

	if (getenv("INLAY_CORPUS")) {
		write_seeds();
		return 0;
	}
	if (inlay_state_new(&config, &st))
		return 1;
	t = inlay_state_tables(st);
	f.tables = t;
	f.emit = emit;
	if (argc > 1 && !strcmp(argv[1], "print")) {
		print();
		failed = 0;
	} else {
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	}
	inlay_state_free(st);
	return failed;
}
