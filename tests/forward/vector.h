/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE table of vectors {name, state, packets, verdicts, output} that every placement of the
 * forwarder agrees with: the native one, the kernel's, the softnic's. A vector is a few steps:
 * words of the shared state are set, a packet is forwarded, and what comes out is compared: copies,
 * entries of the sent logs, verdicts in the journal, reasons counted, words of the state.
 *
 * Who runs it brings tables (zeroed, of at least the sizes below) and a way to run a packet:
 * vector_scene_set() writes the state that each vector begins with.
 *
 * That state: upstream 0, whose packets SA 7 of generation 3 opens, the publisher being a client;
 * its alias 77 is track 0, of priority 100. |positions| subscribers, who have themselves as
 * positions: subscriber i is a client of ours, with credit of a million for everything, SA 100 + i,
 * alias 500 + i, sockets for a port, and a connection ID of eight bytes 0xc0 + i. All positions are
 * ARMED and take every group.
 */
#ifndef INLAY_TESTS_FORWARD_VECTOR_H
#define INLAY_TESTS_FORWARD_VECTOR_H

#include "forwarder.h"

#define VECTOR_SA	   7
#define VECTOR_SA_GEN	   3
#define VECTOR_LOG	   64 /* entries of each log, and of the journal */
#define VECTOR_SUBSCRIBERS 8
#define VECTOR_SLOTS	   16
#define VECTOR_TIME	   (5 * INLAY_S) /* when packets arrive */

/* A struct inlay_state_config of such tables. */
#define VECTOR_STATE                                                                               \
	{                                                                                          \
		.subscribers = VECTOR_SUBSCRIBERS, .log_size = VECTOR_LOG, .upstreams = 1,         \
		.journal_size = VECTOR_LOG, .tracks = 1, .slots = VECTOR_SLOTS,                    \
	}

/* A word of the state: fields.def. Counting begins behind FIELD_NONE. */
enum vector_field {
	FIELD_NONE = 0,
#define FIELD(name, word) FIELD_##name,
#include "fields.def"
#undef FIELD
	FIELD_COUNT
};

/* Word |field| of entry |i| is, or is to be, |value|. */
struct vector_word {
	enum vector_field field;
	__u32 i;
	__u64 value;
};

enum vector_kind {
	VECTOR_END = 0,
	VECTOR_STREAM,	 /* on the publisher's unidirectional stream |number|, with a length */
	VECTOR_LAST,	 /* the same, without: it reaches to the packet's end */
	VECTOR_DATAGRAM, /* with a length */
	VECTOR_RAW,	 /* bytes as they are */
};

struct vector_frame {
	enum vector_kind kind;
	__u64 number, offset;
	const char *hex; /* content; blanks are skipped */
	bool fin;
};

struct vector_copy {
	__u32 subscriber;
	__u64 pn;
	const char *head;	       /* hex: everything before the shared payload */
	__u16 payload_at, payload_len; /* in the packet that came in */
	struct inlay_sent sent;	       /* its time is when the packet came in */
};

#define VECTOR_FRAMES 10
#define VECTOR_COPIES 8

struct vector_step {
	struct vector_word set[18];
	const char *packet; /* hex of it all but the descriptor; NULL: made of |frames| */
	struct vector_frame frames[VECTOR_FRAMES];
	__u64 skip;  /* packet numbers left out before this one */
	__u64 again; /* the number is so much lower than the last one's, less one: 1: the same */
	enum inlay_forward_verdict verdict;
	__u8 media[INLAY_JOURNAL_FRAMES];	  /* DONE: enum inlay_media_verdict */
	__u16 reasons[INLAY_JOURNAL_FRAMES];	  /* counted by this step: + 1 */
	struct vector_copy copies[VECTOR_COPIES]; /* ends with one whose head is NULL */
	struct vector_word after[8];
};

#define VECTOR_STEPS 6

struct vector {
	const char *name;
	__u32 positions;
	struct vector_step steps[VECTOR_STEPS]; /* one without frames and packet ends them */
};

extern const struct vector vectors[];
extern const __u32 vectors_count;

/* --- Running them ---------------------------------------------------------------------------- */

/* Writes the state that |v| begins with. */
void vector_scene_set(const struct inlay_tables *t, const struct vector *v);
__u64 vector_word_get(const struct inlay_tables *t, enum vector_field field, __u32 i);
void vector_word_set(const struct inlay_tables *t, const struct vector_word *word);
const char *vector_field_name(enum vector_field field);
/* Bytes of |hex|, at most |room|. */
size_t vector_hex(const char *hex, __u8 *to, size_t room);
/* Packet of a step, descriptor and all, into INLAY_FRAME_MAX bytes. Its length; |*pn| is the number
 * of the packet before and becomes this one's: ~0 before the first. */
size_t vector_packet(const struct vector_step *step, __u8 *packet, __u64 *pn);
bool vector_has_step(const struct vector *v, __u32 i);

#endif
