/* A model server that does nothing, quickly: the upstream of every candidate in the benchmark.
 *
 *   stub --port N [--load-ms N] [--max-seconds N] [--say LINE]
 *
 * POST or GET, any path          350 bytes of JSON
 * ... ?n=N&us=GAP                N server-sent events, GAP microseconds apart (0: as fast as they are taken), chunked;
 *                                each begins  data: {"t":NANOSECONDS  with CLOCK_MONOTONIC at the moment it is written
 * ... &head_us=DELAY             wait so long before the answer's head
 * GET /health                    200
 * GET /counters                  requests, connections that carried one, answers whose client left early, and when
 *
 * One thread, epoll, listens on 127.0.0.1 only. --load-ms waits before listening, as a loading model does;
 * --say prints LINE once it listens, as most model servers do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 4096, HEAD_MAX = 16384, EVENT_PAD = 120, STAMP = 18, BATCH = 32, SCRATCH = 1 << 16 };

typedef enum { READING_HEAD, READING_BODY, WAITING, STREAMING } Phase;

typedef struct {
    Phase phase;
    int open, counted, blocked, wants_json;
    char head[HEAD_MAX];
    size_t head_len;
    size_t body_left;
    long events_left, gap_ns;
    int64_t due;                     /* next event, or the head while WAITING */
    char out[16384];
    size_t out_len, out_sent;        /* bytes the socket would not take yet */
} Conn;

static Conn *conns[MAX_FD];
static int active[MAX_FD], active_count; /* connections that WAIT or STREAM */
static int epoll_fd, timer_fd;
static long requests, connections, aborts;
static int64_t last_abort, bound_at;
static char json_answer[1024];
static size_t json_answer_len;
static char event[512], *event_stamp;
static size_t event_len;
static char scratch[SCRATCH];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, op, fd, &e) < 0) die("epoll_ctl");
}

static void deactivate(int fd) {
    for (int i = 0; i < active_count; i++)
        if (active[i] == fd) {
            active[i] = active[--active_count];
            return;
        }
}

static void drop(int fd) {
    Conn *c = conns[fd];
    if (c->phase == WAITING || c->phase == STREAMING) {
        aborts++;
        last_abort = now_ns();
        deactivate(fd);
    }
    c->open = 0;
    close(fd);
}

/* Send what is pending; 0 when the connection is gone. */
static int flush(int fd) {
    Conn *c = conns[fd];
    while (c->out_sent < c->out_len) {
        ssize_t n = send(fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->blocked) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
            c->blocked = 1;
            return 1;
        }
        if (n < 0) {
            drop(fd);
            return 0;
        }
        c->out_sent += (size_t)n;
    }
    c->out_len = c->out_sent = 0;
    if (c->blocked) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
    c->blocked = 0;
    return 1;
}

static void put(Conn *c, const char *data, size_t len) {
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static void answer(int fd, const char *body) {
    Conn *c = conns[fd];
    c->out_len += (size_t)snprintf(c->out + c->out_len, sizeof c->out - c->out_len,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    flush(fd);
}

/* One event as it goes over the wire; the stamp's digits are overwritten in place. */
static void make_event(void) {
    char data[512];
    int len = snprintf(data, sizeof data,
        "data: {\"t\":%*d,\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%0*d\"}}]}\n\n",
        STAMP, 0, EVENT_PAD, 0);
    event_len = (size_t)snprintf(event, sizeof event, "%x\r\n%s\r\n", len, data);
    event_stamp = strstr(event, "\"t\":") + 4;
}

static void put_event(Conn *c, int64_t now) {
    for (int i = STAMP - 1; i >= 0 && now > 0; i--, now /= 10) event_stamp[i] = (char)('0' + now % 10);
    put(c, event, event_len);
}

/* Write what is due of a waiting or streaming answer. */
static void advance(int fd, int64_t now) {
    Conn *c = conns[fd];
    if (c->phase == WAITING && now >= c->due) {
        if (c->wants_json) {
            put(c, json_answer, json_answer_len);
            c->phase = READING_HEAD;
            deactivate(fd);
            flush(fd);
            return;
        }
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        put(c, head, sizeof head - 1);
        c->phase = STREAMING;
        c->due = now;
    }
    while (c->phase == STREAMING && !c->blocked && now >= c->due) {
        if (c->gap_ns == 0)
            for (int i = 0; i < BATCH && c->events_left > 0; i++, c->events_left--) put_event(c, now);
        else if (c->events_left > 0) {
            put_event(c, now);
            c->events_left--;
            c->due += c->gap_ns;
        }
        if (c->events_left == 0) {
            put(c, "0\r\n\r\n", 5);
            c->phase = READING_HEAD;
            deactivate(fd);
        }
        if (!flush(fd) || c->gap_ns == 0) return; /* full speed: give the others their turn */
    }
}

static long query(const char *target, const char *name, long fallback) {
    const char *at = strchr(target, '?'), *end = strchr(target, ' ');
    size_t len = strlen(name);
    for (; at && (!end || at < end); at = strpbrk(at + 1, "& "))
        if (!strncmp(at + 1, name, len) && at[1 + len] == '=') return atol(at + 2 + len);
    return fallback;
}

static void begin_answer(int fd) {
    Conn *c = conns[fd];
    const char *target = strchr(c->head, ' ') + 1;
    char text[256];
    c->phase = READING_HEAD;
    c->head_len = 0;
    if (!strncmp(target, "/health ", 8) || !strncmp(target, "/v1/health ", 11)) {
        answer(fd, "{\"status\":\"ok\"}");
        return;
    }
    if (!strncmp(target, "/counters ", 10)) {
        snprintf(text, sizeof text, "{\"requests\":%ld,\"connections\":%ld,\"aborts\":%ld,\"last_abort_ns\":%lld,\"bound_ns\":%lld}",
                 requests, connections, aborts, (long long)last_abort, (long long)bound_at);
        answer(fd, text);
        return;
    }
    requests++;
    if (!c->counted) connections++;
    c->counted = 1;
    c->events_left = query(target, "n", 0);
    c->gap_ns = query(target, "us", 0) * 1000;
    c->wants_json = c->events_left == 0;
    long head_us = query(target, "head_us", 0);
    if (c->wants_json && head_us == 0) {
        put(c, json_answer, json_answer_len);
        flush(fd);
        return;
    }
    c->phase = WAITING;
    c->due = now_ns() + head_us * 1000;
    active[active_count++] = fd;
    advance(fd, now_ns());
}

static size_t content_length(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* 0 when the connection is gone or has nothing more to read now. */
static int read_some(int fd) {
    Conn *c = conns[fd];
    ssize_t n;
    if (c->phase == READING_BODY) {
        n = recv(fd, scratch, c->body_left < SCRATCH ? c->body_left : SCRATCH, 0);
        if (n > 0) {
            c->body_left -= (size_t)n;
            if (c->body_left == 0) begin_answer(fd);
            return c->open;
        }
    } else if (c->phase == READING_HEAD) {
        n = recv(fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len, 0);
        if (n > 0) {
            c->head_len += (size_t)n;
            c->head[c->head_len] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                if (c->head_len >= HEAD_MAX - 1) drop(fd);
                return c->open;
            }
            size_t extra = c->head_len - (size_t)(end + 4 - c->head), length = content_length(c->head);
            if (strcasestr(c->head, "\r\nexpect:")) put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
            c->body_left = length > extra ? length - extra : 0; /* no pipelining: proxies do not */
            c->phase = READING_BODY;
            if (c->body_left == 0) begin_answer(fd);
            return c->open;
        }
    } else { /* answering: only the end of the connection is of interest */
        n = recv(fd, scratch, SCRATCH, 0);
    }
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) drop(fd);
    return c->open;
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        if (!conns[fd] && !(conns[fd] = malloc(sizeof(Conn)))) die("malloc");
        memset(conns[fd], 0, offsetof(Conn, head));
        Conn *c = conns[fd];
        c->head_len = c->body_left = c->out_len = c->out_sent = 0;
        c->open = 1;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(fd, 1024) < 0) die("listen");
    bound_at = now_ns();
    return fd;
}

/* Advance every answer that is due, and set the timer for the next one. Returns whether one wants to run at once. */
static int run_active(void) {
    int64_t now = now_ns(), next = INT64_MAX;
    for (int i = active_count - 1; i >= 0; i--) {
        int fd = active[i];
        if (!conns[fd]->blocked) advance(fd, now);
    }
    for (int i = 0; i < active_count; i++) {
        Conn *c = conns[active[i]];
        if (!c->blocked && c->due < next) next = c->due;
    }
    if (next == INT64_MAX) return 0;
    if (next <= now_ns()) return 1;
    struct itimerspec at = {.it_value = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    return 0;
}

int main(int argc, char **argv) {
    int port = 0, load_ms = 0, max_seconds = 7200;
    const char *line = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--load-ms")) load_ms = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--say")) line = argv[i + 1];
        else if (!strcmp(argv[i], "--max-seconds")) max_seconds = atoi(argv[i + 1]);
    }
    if (port <= 0) {
        fprintf(stderr, "usage: stub --port N [--load-ms N] [--max-seconds N] [--say LINE]\n");
        return 2;
    }
    alarm((unsigned)max_seconds); /* never outlives a benchmark, whatever happens to its driver */
    struct rlimit files = {MAX_FD, MAX_FD};
    setrlimit(RLIMIT_NOFILE, &files);
    usleep((useconds_t)load_ms * 1000);

    char body[351];
    int prefix = snprintf(body, sizeof body, "{\"id\":\"stub\",\"object\":\"chat.completion\",\"model\":\"bench\",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"total_tokens\":16},"
        "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"");
    static const char tail[] = "\"}}]}";
    memset(body + prefix, 'x', sizeof body - 1 - (size_t)prefix);
    memcpy(body + sizeof body - sizeof tail, tail, sizeof tail);
    json_answer_len = (size_t)snprintf(json_answer, sizeof json_answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 350\r\n\r\n%s", body);

    make_event();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listener = listen_on(port);
    if (line) puts(line), fflush(stdout);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(timer_fd, EPOLL_CTL_ADD, EPOLLIN);
    for (int busy = 0;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll_fd, events, 256, busy ? 0 : -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(listener);
            else if (fd == timer_fd) {
                if (read(timer_fd, scratch, 8) < 0 && errno != EAGAIN) die("timerfd");
            } else if (conns[fd]->open) {
                if (events[i].events & EPOLLOUT && !flush(fd)) continue;
                if (events[i].events & ~(uint32_t)EPOLLOUT)
                    while (read_some(fd)) {
                    }
            }
        }
        busy = run_active();
    }
}
