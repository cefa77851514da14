// SPDX-License-Identifier: Apache-2.0
#include "capture/go_code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* cmp rsp, [r14 + 16]; where the frame is large rsp less its size is compared: lea r12, [rsp - n].
 * cmd/compile/abi-internal.md: the runtime's g is in R14, and its stack's limit at 16. */
bool go_code_begins(struct slice code)
{
#if defined(__x86_64__)
	static const uint8_t small[] = { 0x49, 0x3b, 0x66, 0x10 },
			     large[] = { 0x4d, 0x3b, 0x66, 0x10 };
	static const uint8_t near[] = { 0x4c, 0x8d, 0x64, 0x24 },
			     far[] = { 0x4c, 0x8d, 0xa4, 0x24 };
	size_t lea = 0;

	if (slice_starts(code, (struct slice){ small, sizeof(small) }))
		return true;
	if (slice_starts(code, (struct slice){ near, sizeof(near) }))
		lea = sizeof(near) + 1;
	else if (slice_starts(code, (struct slice){ far, sizeof(far) }))
		lea = sizeof(far) + 4;
	return lea && code.n >= lea + sizeof(large) &&
	       memcmp(code.p + lea, large, sizeof(large)) == 0;
#else
	return false;
#endif
}

#if __has_include(<capstone/capstone.h>) && defined(__x86_64__)

#include <capstone/capstone.h>

/* One walk through the code in the order of its bytes. What is known of a value holds from where it
 * was learnt up to the next place that can be jumped to. */
struct walk {
	csh handle;
	struct go_code found;
	uint32_t at;
	int64_t copier;
	uint32_t n_copies;
	int64_t frame;	    /* bytes below the return address, in the prologue */
	bool is_prologue;   /* nothing was called, and no branch taken since there is a frame */
	bool is_changed[2]; /* RAX, RBX hold other things than the arguments */
	bool is_kept[2];    /* the arguments were put where the caller left room for them */
	bool is_zero;	    /* RAX holds 0 */
	bool has_zero_slot; /* 0 was put on the stack, */
	int64_t zero_slot;  /* here */
	bool is_indirect;   /* jumps to who knows where */
	uint8_t *can_be_reached; /* bits: jumped to; NULL in the first walk, which finds them */
	uint8_t *targets;
};

static bool is_stack(const cs_x86_op *op, int64_t *at)
{
	*at = op->mem.disp;
	return op->type == X86_OP_MEM && op->mem.base == X86_REG_RSP &&
	       op->mem.index == X86_REG_INVALID;
}

static bool is_reg(const cs_x86_op *op, x86_reg reg)
{
	return op->type == X86_OP_REG && op->reg == reg;
}

static bool writes(struct walk *w, const cs_insn *in, const x86_reg *names, size_t n)
{
	cs_regs read, written;
	uint8_t n_read, n_written;

	if (cs_regs_access(w->handle, in, read, &n_read, written, &n_written))
		return true;
	for (uint8_t i = 0; i < n_written; i++)
		for (size_t k = 0; k < n; k++)
			if (written[i] == names[k])
				return true;
	return false;
}

static bool writes_ax(struct walk *w, const cs_insn *in)
{
	static const x86_reg names[] = { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL,
					 X86_REG_AH };

	return writes(w, in, names, sizeof(names) / sizeof(names[0]));
}

static bool writes_bx(struct walk *w, const cs_insn *in)
{
	static const x86_reg names[] = { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL,
					 X86_REG_BH };

	return writes(w, in, names, sizeof(names) / sizeof(names[0]));
}

static void take_prologue(struct walk *w, const cs_insn *in)
{
	static const x86_reg arguments[] = { X86_REG_RAX, X86_REG_RBX };
	const cs_x86 *x = &in->detail->x86;
	int64_t slot;

	if (in->id == X86_INS_PUSH)
		w->frame += 8;
	if (in->id == X86_INS_SUB && x->op_count == 2 && is_reg(&x->operands[0], X86_REG_RSP) &&
	    x->operands[1].type == X86_OP_IMM)
		w->frame += x->operands[1].imm;
	if (in->id == X86_INS_MOV && x->op_count == 2 && is_stack(&x->operands[0], &slot))
		for (int i = 0; i < 2; i++)
			if (is_reg(&x->operands[1], arguments[i]) && !w->is_changed[i] &&
			    w->frame && slot == w->frame + 8 * (i + 1))
				w->is_kept[i] = true;
	w->is_changed[0] |= writes_ax(w, in);
	w->is_changed[1] |= writes_bx(w, in);
}

static void take_jump(struct walk *w, const cs_insn *in, size_t size)
{
	const cs_x86 *x = &in->detail->x86;
	uint64_t to;

	if (x->op_count != 1 || x->operands[0].type != X86_OP_IMM) {
		w->is_indirect = true;
		return;
	}
	to = (uint64_t)x->operands[0].imm;
	if (w->targets && to < size)
		w->targets[to / 8] |= (uint8_t)(1 << to % 8);
}

static void take_call(struct walk *w, const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;

	if (!w->copier || x->op_count != 1 || x->operands[0].type != X86_OP_IMM ||
	    x->operands[0].imm != w->copier)
		return;
	w->found.copy = w->n_copies++ ? 0 : w->at;
}

/* Zeroes on their way into RAX. */
static void take_zero(struct walk *w, const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;
	bool is_move = in->id == X86_INS_MOV && x->op_count == 2;
	int64_t slot;

	if (in->id == X86_INS_XOR && is_reg(&x->operands[0], X86_REG_EAX) &&
	    is_reg(&x->operands[1], X86_REG_EAX)) {
		w->is_zero = true;
		return;
	}
	if (is_move && is_reg(&x->operands[0], X86_REG_RAX) && is_stack(&x->operands[1], &slot)) {
		w->is_zero = w->has_zero_slot && slot == w->zero_slot;
		return;
	}
	if (writes_ax(w, in))
		w->is_zero = false;
	if (!x->op_count || !is_stack(&x->operands[0], &slot))
		return;
	if (is_move && x->operands[1].type == X86_OP_IMM && !x->operands[1].imm &&
	    x->operands[0].size == 8) {
		w->has_zero_slot = true;
		w->zero_slot = slot;
	} else if (slot < w->zero_slot + 8 && w->zero_slot < slot + x->operands[0].size &&
		   x->operands[0].access & CS_AC_WRITE) {
		w->has_zero_slot = false;
	}
}

static int take(struct walk *w, const cs_insn *in, size_t size)
{
	bool is_call = cs_insn_group(w->handle, in, CS_GRP_CALL);
	bool is_jump = cs_insn_group(w->handle, in, CS_GRP_JUMP);
	bool is_return = cs_insn_group(w->handle, in, CS_GRP_RET);

	if (w->can_be_reached && w->can_be_reached[w->at / 8] >> w->at % 8 & 1)
		w->is_zero = w->has_zero_slot = false;
	if (is_call || (is_jump && w->frame))
		w->is_prologue = false;
	if (w->is_prologue)
		take_prologue(w, in);
	take_zero(w, in);
	if (is_call) {
		w->is_zero = false;
		take_call(w, in);
	}
	if (is_jump)
		take_jump(w, in, size);
	if (is_return && !(w->is_zero && !w->is_indirect)) {
		if (w->found.n_returns == GO_RETURNS_MAX)
			return w->targets ? 0 : -E2BIG;
		w->found.returns[w->found.n_returns++] = w->at;
	}
	if (is_return || in->id == X86_INS_JMP)
		w->is_zero = w->has_zero_slot = false;
	return 0;
}

static int walk(struct walk *w, struct slice code)
{
	cs_insn *in = cs_malloc(w->handle);
	const uint8_t *p = code.p;
	uint64_t address = 0;
	size_t left = code.n;
	int err = 0;

	if (!in)
		return -ENOMEM;
	w->is_prologue = true;
	while (left && !err) {
		w->at = (uint32_t)address;
		if (cs_disasm_iter(w->handle, &p, &left, &address, in))
			err = take(w, in, code.n);
		else
			err = -EILSEQ;
	}
	cs_free(in, 1);
	return err;
}

const char *go_code_library(void)
{
	return "capstone";
}

int go_code_read(struct slice code, int64_t copier, struct go_code *out)
{
	struct walk first = { 0 }, second = { 0 };
	uint8_t *targets;
	int err;

	if (!code.n || code.n > GO_CODE_MAX)
		return code.n ? -E2BIG : -EILSEQ;
	targets = calloc(code.n / 8 + 1, 1);
	if (!targets)
		return -ENOMEM;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &first.handle)) {
		free(targets);
		return -ENOMEM;
	}
	cs_option(first.handle, CS_OPT_DETAIL, CS_OPT_ON);
	first.targets = targets;
	err = walk(&first, code);
	if (!err) {
		second.handle = first.handle;
		second.can_be_reached = targets;
		second.is_indirect = first.is_indirect;
		second.copier = copier;
		err = walk(&second, code);
	}
	cs_close(&first.handle);
	free(targets);
	if (err)
		return err;
	*out = second.found;
	out->frame = (uint32_t)second.frame;
	out->has_registers = go_code_begins(code);
	out->keeps_arguments = second.is_kept[0] && second.is_kept[1];
	return 0;
}

#else

const char *go_code_library(void)
{
	return NULL;
}

int go_code_read(struct slice code, int64_t copier, struct go_code *out)
{
	return -ENOSYS;
}

#endif
