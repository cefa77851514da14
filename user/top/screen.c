/* SPDX-License-Identifier: Apache-2.0 */
#include "top/screen.h"

#include <stdio.h>

#if __has_include(<ncurses.h>)

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "top/view.h"

struct screen {
	SCREEN *term;
	bool is_color, is_unicode;
	int err_fd;  /* stderr as it was; -1: it is no terminal, nothing was done to it */
	int said_fd; /* what is written to stderr meanwhile */
	off_t said;
};

bool screen_is_built(void)
{
	return true;
}

/* Colours of the waits are told apart by people who do not see all of them, too. */
static const struct {
	short color;  /* of 8 */
	short bright; /* of 256 */
	attr_t attrs;
} looks[STYLE_MAX] = {
	[STYLE_NORMAL] = { -1, -1, A_NORMAL },
	[STYLE_DIM] = { -1, 245, A_NORMAL },
	[STYLE_BOLD] = { -1, -1, A_BOLD },
	[STYLE_TITLE] = { COLOR_CYAN, 81, A_BOLD },
	[STYLE_HEAD] = { COLOR_CYAN, 73, A_REVERSE },
	[STYLE_SORTED] = { COLOR_CYAN, 81, A_REVERSE | A_BOLD },
	[STYLE_GOOD] = { COLOR_GREEN, 114, A_NORMAL },
	[STYLE_WARN] = { COLOR_YELLOW, 221, A_NORMAL },
	[STYLE_BAD] = { COLOR_RED, 203, A_BOLD },
	[STYLE_SPARK] = { COLOR_GREEN, 79, A_NORMAL },
	[STYLE_KEY] = { COLOR_CYAN, 81, A_BOLD },
	[STYLE_WAIT + WAIT_RECEIVE_QUEUE] = { COLOR_YELLOW, 221, A_NORMAL },
	[STYLE_WAIT + WAIT_RUNQUEUE] = { COLOR_RED, 203, A_NORMAL },
	[STYLE_WAIT + WAIT_CPU] = { COLOR_GREEN, 114, A_NORMAL },
	[STYLE_WAIT + WAIT_BLOCKED] = { COLOR_BLUE, 69, A_NORMAL },
	[STYLE_WAIT + WAIT_THROTTLED] = { COLOR_MAGENTA, 170, A_NORMAL },
	[STYLE_WAIT + WAIT_DOWNSTREAM] = { COLOR_CYAN, 80, A_NORMAL },
	[STYLE_WAIT + WAIT_UNKNOWN] = { COLOR_WHITE, 240, A_NORMAL },
};

/* https://no-color.org: set and not empty, whatever to */
static bool wants_color(void)
{
	const char *no = getenv("NO_COLOR");

	return !(no && *no) && has_colors();
}

static void init_colors(struct screen *s)
{
	s->is_color = wants_color();
	if (!s->is_color)
		return;
	start_color();
	use_default_colors();
	for (short i = 0; i < STYLE_MAX; i++)
		init_pair((short)(i + 1), COLORS >= 256 ? looks[i].bright : looks[i].color, -1);
}

/* A message in the middle of the picture would be lost and spoil it: kept until the end. */
static void hold_stderr(struct screen *s)
{
	s->err_fd = s->said_fd = -1;
	if (!isatty(STDERR_FILENO))
		return;
	s->said_fd = memfd_create("messages", MFD_CLOEXEC);
	if (s->said_fd < 0)
		return;
	s->err_fd = dup(STDERR_FILENO);
	dup2(s->said_fd, STDERR_FILENO);
}

static void release_stderr(struct screen *s)
{
	char part[4096];
	off_t at = 0;
	ssize_t n;

	if (s->err_fd < 0)
		return;
	dup2(s->err_fd, STDERR_FILENO);
	while ((n = pread(s->said_fd, part, sizeof(part), at)) > 0) {
		fwrite(part, 1, (size_t)n, stderr);
		at += n;
	}
	close(s->err_fd);
	close(s->said_fd);
}

struct screen *screen_open(char *err, size_t size)
{
	const char *term = getenv("TERM");
	struct screen *s;

	if (!term || !*term || strcmp(term, "dumb") == 0) {
		snprintf(err, size,
			 "this terminal cannot be painted on (TERM is %s): sonde top "
			 "--once prints a table",
			 term && *term ? term : "not set");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	setlocale(LC_CTYPE, "");
	s->is_unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	s->term = newterm(NULL, stdout, stdin);
	if (!s->term) {
		snprintf(err, size,
			 "the terminal %s is not known here (TERM): sonde top --once "
			 "prints a table",
			 term);
		free(s);
		return NULL;
	}
	hold_stderr(s);
	init_colors(s);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(25); /* Esc is a key of ours, and nobody types that fast */
	return s;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	curs_set(1);
	endwin();
	delscreen(s->term);
	release_stderr(s);
	free(s);
}

int screen_fit(struct screen *s, struct canvas *c)
{
	struct winsize size;
	int err;

	/* SIGWINCH goes to the loop, not to the library */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
	    (size.ws_row != LINES || size.ws_col != COLS)) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(curscr, TRUE);
	}
	err = canvas_reset(c, COLS, LINES);
	c->is_unicode = s->is_unicode;
	c->is_color = s->is_color;
	return err;
}

static void paint_cell(const struct screen *s, int y, int x, const struct cell *cell)
{
	wchar_t text[2] = { cell->glyph, 0 };
	attr_t attrs = looks[cell->style].attrs;
	cchar_t out;

	if (cell->is_selected)
		attrs |= A_REVERSE | (s->is_color ? A_NORMAL : A_BOLD);
	setcchar(&out, text, attrs, s->is_color ? (short)(cell->style + 1) : 0, NULL);
	mvadd_wch(y, x, &out);
}

void screen_paint(struct screen *s, const struct canvas *c)
{
	for (int y = 0; y < c->height && y < LINES; y++)
		for (int x = 0; x < c->width && x < COLS; x++) {
			const struct cell *cell =
				&c->cells[(size_t)y * (size_t)c->width + (size_t)x];

			if (cell->glyph)
				paint_cell(s, y, x, cell);
		}
	refresh();
}

int screen_key(struct screen *s)
{
	wint_t key;

	switch (get_wch(&key)) {
	case OK: break;
	case KEY_CODE_YES:
		switch (key) {
		case KEY_UP: return VIEW_UP;
		case KEY_DOWN: return VIEW_DOWN;
		case KEY_PPAGE: return VIEW_PAGE_UP;
		case KEY_NPAGE: return VIEW_PAGE_DOWN;
		case KEY_HOME: return VIEW_HOME;
		case KEY_END: return VIEW_END;
		case KEY_ENTER:
		case KEY_RIGHT: return VIEW_ENTER;
		case KEY_LEFT: return VIEW_ESCAPE;
		case KEY_BACKSPACE: return VIEW_BACKSPACE;
		default: return 0;
		}
	default: return -1;
	}
	switch (key) {
	case '\r':
	case '\n': return VIEW_ENTER;
	case 27: return VIEW_ESCAPE;
	case 8:
	case 127: return VIEW_BACKSPACE;
	default: return key < VIEW_UP ? (int)key : 0;
	}
}

/* RFC 4648. out: 4 bytes for each 3 begun, and NUL. */
static void base64(const char *in, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)in[i] << 16;

		v |= i + 1 < n ? (uint32_t)(uint8_t)in[i + 1] << 8 : 0;
		v |= i + 2 < n ? (uint8_t)in[i + 2] : 0;
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = '\0';
}

void screen_copy(struct screen *s, const char *text)
{
	size_t n = strlen(text);
	char *coded = malloc(n / 3 * 4 + 8);

	if (!coded)
		return;
	base64(text, n, coded);
	printf("\033]52;c;%s\a", coded);
	fflush(stdout);
	free(coded);
}

void screen_said(struct screen *s, char *out, size_t size)
{
	char part[512] = "", *line;
	ssize_t n = s->said_fd < 0 ? 0 : pread(s->said_fd, part, sizeof(part) - 1, s->said);

	*out = '\0';
	if (n <= 0)
		return;
	s->said += n;
	part[n] = '\0';
	part[strcspn(part, "\n")] = '\0';
	line = strncmp(part, "sonde: ", 7) == 0 ? part + 7 : part;
	snprintf(out, size, "%s", line);
}

#else

bool screen_is_built(void)
{
	return false;
}

struct screen *screen_open(char *err, size_t size)
{
	snprintf(err, size,
		 "this build does not have the live view: sonde top --once prints a "
		 "table");
	return NULL;
}

void screen_close(struct screen *s)
{
}

int screen_fit(struct screen *s, struct canvas *c)
{
	return -1;
}

void screen_paint(struct screen *s, const struct canvas *c)
{
}

int screen_key(struct screen *s)
{
	return -1;
}

void screen_copy(struct screen *s, const char *text)
{
}

void screen_said(struct screen *s, char *out, size_t size)
{
	*out = '\0';
}

#endif
