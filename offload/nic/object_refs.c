/* SPDX-License-Identifier: BSD-2-Clause */
/* What instructions of an object refer to: maps, functions, global data, the kernel. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "object_impl.h"

#define REL_BYTES   sizeof(Elf64_Rel)
#define WIDE	    (BPF_LD | BPF_IMM | BPF_DW)
#define CALL	    (BPF_JMP | BPF_CALL)
#define IS_CALL(i)  ((i)->code == CALL && (i)->src_reg == BPF_PSEUDO_CALL)
#define INSN_BYTES  ((__s64)sizeof(struct bpf_insn))
#define NO_FUNCTION "%s refers to code that is no function's (section %s, instruction %u)"

static __s64 map_named(const struct inlay_bpf_object *o, const char *name)
{
	char cut[INLAY_BPF_NAME];

	inlay_object_name(cut, name);
	for (__u32 i = 0; i < o->n_maps; i++)
		if (!strcmp(o->maps[i].name, cut))
			return i;
	return -1;
}

/* A function's beginning, and nothing within one. */
static bool function_at(const struct inlay_bpf_object *o, __u32 section, __s64 insn,
			struct inlay_bpf_ref *ret)
{
	__s64 found = insn < 0 ? -1 : inlay_object_function_at(o, section, (__u64)insn);

	if (found < 0 || o->functions[found].first != insn)
		return false;
	*ret = (struct inlay_bpf_ref){.kind = INLAY_BPF_REF_FUNCTION, .index = (__u32)found};
	return true;
}

static int refer_code(struct inlay_object_reader *r, const struct inlay_bpf_section *code, __u32 i,
		      const struct inlay_elf_symbol *symbol)
{
	const struct bpf_insn *insn = &code->insns[i];
	__s64 at = (__s64)(symbol->value / (__u64)INSN_BYTES);

	/* A call counts from the next instruction, an address in bytes. */
	at += IS_CALL(insn) ? (__s64)insn->imm + 1 : insn->imm / INSN_BYTES;
	if (!function_at(r->object, symbol->section, at, &code->refs[i]))
		return inlay_object_refuse(r, NO_FUNCTION, "a relocation", code->name, i);
	return 0;
}

static int refer(struct inlay_object_reader *r, const struct inlay_bpf_section *code, __u32 i,
		 const struct inlay_elf_symbol *symbol)
{
	const struct inlay_bpf_object *o = r->object;
	struct inlay_bpf_ref *ref = &code->refs[i];
	const struct inlay_bpf_section *target;
	__s64 map;

	if (symbol->section == SHN_UNDEF || symbol->section >= o->n_sections) {
		/* Which of the two, where there are both, is not looked up: the stricter one. */
		ref->kind = o->has_kconfig && !o->has_ksyms && code->insns[i].code == WIDE
				    ? INLAY_BPF_REF_CONFIG
				    : INLAY_BPF_REF_EXTERN;
		return 0;
	}
	target = &o->sections[symbol->section];
	if (target->is_code)
		return refer_code(r, code, i, symbol);
	if (!strcmp(target->name, ".maps")) {
		map = map_named(o, symbol->name);
		if (map < 0)
			return inlay_object_refuse(
				r, "map %.60s is referred to, and BTF does not define it",
				symbol->name);
		*ref = (struct inlay_bpf_ref){.kind = INLAY_BPF_REF_MAP, .index = (__u32)map};
		return 0;
	}
	*ref = (struct inlay_bpf_ref){.kind = INLAY_BPF_REF_DATA, .index = symbol->section};
	return 0;
}

/* The relocations |rel| of a section of code. |left|: bytes of them that are still taken. */
static int read_relocations(struct inlay_object_reader *r, const struct inlay_bpf_section *rel,
			    __u64 *left)
{
	const struct inlay_bpf_object *o = r->object;
	const struct inlay_bpf_section *code = &o->sections[rel->info];
	struct inlay_elf_symbol symbol;
	struct inlay_cursor c;
	__u64 offset, info;
	int ret = 0;

	/* Sections may lie upon each other in the file. */
	*left -= *left < rel->bytes ? *left : rel->bytes;
	if (!*left)
		return inlay_object_refuse(r, "more relocations than instructions");
	if (rel->bytes % REL_BYTES || !inlay_object_bytes(r, rel, &c) || rel->link >= o->n_sections)
		return inlay_object_refuse(r, "truncated: section %s is not whole", rel->name);
	while (!ret && inlay_cursor_le(&c, 8, &offset) && inlay_cursor_le(&c, 8, &info)) {
		__u32 i = (__u32)(offset / (__u64)INSN_BYTES);

		if (offset % (__u64)INSN_BYTES || offset >= code->bytes ||
		    !inlay_object_symbol(r, &o->sections[rel->link], info >> 32, &symbol))
			return inlay_object_refuse(r, "section %s: a relocation of nothing",
						   rel->name);
		if (code->insns[i].code != WIDE && code->insns[i].code != CALL)
			return inlay_object_refuse(
				r, "section %s: a relocation of instruction %u, which takes none",
				rel->name, i);
		ret = refer(r, code, i, &symbol);
	}
	return ret;
}

/* Calls within a section need no relocation; a pseudo value without one is nobody's. */
static int refer_rest(struct inlay_object_reader *r, __u32 section)
{
	const struct inlay_bpf_section *code = &r->object->sections[section];

	for (__u32 i = 0; i < code->n_insns; i++) {
		const struct bpf_insn *insn = &code->insns[i];

		if (code->refs[i].kind)
			continue;
		if (IS_CALL(insn)) {
			if (!function_at(r->object, section, (__s64)i + insn->imm + 1,
					 &code->refs[i]))
				return inlay_object_refuse(r, NO_FUNCTION, "a call", code->name, i);
		} else if (insn->code == WIDE) {
			if (insn->src_reg)
				code->refs[i].kind = INLAY_BPF_REF_RAW;
			i++; /* its second half */
		}
	}
	return 0;
}

int inlay_object_read_refs(struct inlay_object_reader *r)
{
	const struct inlay_bpf_object *o = r->object;
	__u64 left = INLAY_BPF_INSNS * REL_BYTES;
	int ret = 0;

	for (__u32 i = 0; i < o->n_sections && !ret; i++)
		if (o->sections[i].elf_type == SHT_REL && o->sections[i].info < o->n_sections &&
		    o->sections[o->sections[i].info].is_code)
			ret = read_relocations(r, &o->sections[i], &left);
	for (__u32 i = 0; i < o->n_sections && !ret; i++)
		if (o->sections[i].is_code)
			ret = refer_rest(r, i);
	return ret;
}
