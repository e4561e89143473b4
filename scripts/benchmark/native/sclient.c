/* A client that measures: takes streams apart as fast as they come, and says how late each event was.
 *
 *   sclient PORT TARGET CONNECTIONS [BODY_FILE|-] [REPEAT] [SECONDS]
 *
 * Opens CONNECTIONS to 127.0.0.1:PORT and sends, on each, REPEAT requests one after another (POST with the file's bytes,
 * or GET when it is "-"); with SECONDS > 0 it goes on until that time instead. Prints one line of JSON: answers, events,
 * errors, seconds, latency of events (now minus the stamp the stub wrote) and of the first byte and whole of answers, in
 * microseconds. Ends after 120 s whatever happens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, RECV = 1 << 16 };

typedef struct {
    uint32_t *values;
    size_t count, room;
} Series;

typedef enum { IN_HEAD, IN_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, LAST_LINE } Phase;

typedef struct {
    int fd, open, first_seen;
    long requests_left;
    size_t sent;
    int64_t began;
    Phase phase;
    char head[HEAD_MAX];
    size_t head_len, left, line_len;
    int marker; /* how much of MARKER the payload has just shown; -1: reading digits */
    int64_t stamp;
} Conn;

static const char MARKER[] = "{\"t\":";
static int epoll_fd, open_count, port;
static char *request;
static size_t request_len;
static int64_t deadline;
static Series events, firsts, wholes;
static long errors;
static char buffer[RECV];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note(Series *s, int64_t ns) {
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 4096;
        if (!(s->values = realloc(s->values, s->room * sizeof *s->values))) exit(1);
    }
    s->values[s->count++] = (uint32_t)(ns < 0 ? 0 : ns / 100); /* tenths of a microsecond */
}

static void connect_to(Conn *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static void retire(Conn *c) {
    close(c->fd);
    c->open = 0;
    open_count--;
}

static void push(Conn *c) {
    while (c->sent < request_len) {
        ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0) return; /* a broken connection shows itself in recv */
        c->sent += (size_t)n;
    }
}

static void begin_request(Conn *c) {
    c->requests_left--;
    c->sent = c->head_len = 0;
    c->phase = IN_HEAD;
    c->first_seen = c->marker = 0;
    c->began = now_ns();
    push(c);
}

static void end_answer(Conn *c, int64_t now) {
    note(&wholes, now - c->began);
    if (deadline ? now < deadline : c->requests_left > 0) begin_request(c);
    else retire(c);
}

static void payload(Conn *c, const char *at, size_t len, int64_t now) {
    const char *end = at + len;
    while (at < end) {
        if (c->marker == 0) { /* skip to the next brace in one go */
            at = memchr(at, '{', (size_t)(end - at));
            if (!at) return;
        }
        char ch = *at++;
        if (c->marker >= 0) {
            if (ch != MARKER[c->marker]) c->marker = ch == MARKER[0];
            else if (!MARKER[++c->marker]) c->marker = -1, c->stamp = 0;
        } else if (ch >= '0' && ch <= '9') c->stamp = c->stamp * 10 + (ch - '0');
        else if (ch != ' ') { /* the stamp may be padded */
            note(&events, now - c->stamp);
            c->marker = 0;
        }
    }
}

static int read_head(Conn *c) {
    if (strncmp(c->head, "HTTP/1.1 200", 12)) {
        if (errors++ < 3) fprintf(stderr, "answer: %.200s\n", c->head);
        return 0;
    }
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->phase = CHUNK_SIZE, c->left = 0;
    else if (length) c->phase = IN_LENGTH, c->left = strtoul(length + 17, NULL, 10);
    else return 0;
    c->line_len = 0;
    return 1;
}

/* Take in what was received; 0 when the connection must be given up. */
static int take(Conn *c, const char *at, size_t len, int64_t now) {
    const char *end = at + len;
    if (!c->first_seen) note(&firsts, now - c->began);
    c->first_seen = 1;
    while (at < end) {
        size_t n;
        switch (c->phase) {
        case IN_HEAD:
            if (c->head_len >= HEAD_MAX - 1) return 0;
            c->head[c->head_len++] = *at++;
            c->head[c->head_len] = 0;
            if (c->head_len >= 4 && !memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4) && !read_head(c)) return 0;
            break;
        case CHUNK_SIZE:
            if (*at == '\n') {
                c->phase = c->left ? CHUNK_DATA : LAST_LINE;
                c->line_len = 0;
            } else if (*at != '\r') {
                int digit = *at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10;
                if (digit < 0 || digit > 15) return 0;
                c->left = c->left * 16 + (size_t)digit;
            }
            at++;
            break;
        case CHUNK_END:
            if (*at++ == '\n') c->phase = CHUNK_SIZE, c->left = 0;
            break;
        case LAST_LINE:
            if (*at++ == '\n') {
                end_answer(c, now);
                return 1;
            }
            break;
        default:
            n = (size_t)(end - at) < c->left ? (size_t)(end - at) : c->left;
            payload(c, at, n, now);
            at += n;
            c->left -= n;
            if (c->left == 0 && c->phase == CHUNK_DATA) c->phase = CHUNK_END;
            else if (c->left == 0) {
                end_answer(c, now);
                return 1;
            }
        }
    }
    return 1;
}

static void pull(Conn *c) {
    while (c->open) {
        ssize_t n = recv(c->fd, buffer, RECV, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 || !take(c, buffer, (size_t)n, now_ns())) {
            if (n <= 0) errors++;
            retire(c);
        }
    }
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_series(const char *name, Series *s) {
    double at[3] = {0.5, 0.9, 0.99};
    static const char *labels[] = {"p50", "p90", "p99"};
    qsort(s->values, s->count, sizeof *s->values, ascending);
    for (int i = 0; i < 3; i++)
        printf(",\"%s_%s_us\":%.1f", name, labels[i], s->count ? s->values[(size_t)((double)(s->count - 1) * at[i])] / 10.0 : 0.0);
}

static void make_request(const char *target, const char *file) {
    size_t body_len = 0;
    int fd = -1;
    if (strcmp(file, "-")) {
        struct stat st;
        fd = open(file, O_RDONLY);
        if (fd < 0 || fstat(fd, &st) < 0) {
            perror(file);
            exit(1);
        }
        body_len = (size_t)st.st_size;
    }
    request = malloc(body_len + 2048);
    request_len = (size_t)snprintf(request, 2048,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n", fd < 0 ? "GET" : "POST", target, port);
    if (fd >= 0) request_len += (size_t)snprintf(request + request_len, 64, "Content-Length: %zu\r\n", body_len);
    memcpy(request + request_len, "\r\n", 2);
    request_len += 2;
    for (ssize_t n; fd >= 0 && (n = read(fd, request + request_len, RECV)) > 0;) request_len += (size_t)n;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: sclient PORT TARGET CONNECTIONS [BODY_FILE|-] [REPEAT] [SECONDS]\n");
        return 2;
    }
    alarm(120);
    port = atoi(argv[1]);
    int count = atoi(argv[3]);
    long repeat = argc > 5 ? atol(argv[5]) : 1;
    double seconds = argc > 6 ? atof(argv[6]) : 0;
    make_request(argv[2], argc > 4 ? argv[4] : "-");
    epoll_fd = epoll_create1(0);
    Conn *conns = calloc((size_t)count, sizeof *conns);
    for (int i = 0; i < count; i++) connect_to(&conns[i]);
    int64_t began = now_ns();
    if (seconds > 0) deadline = began + (int64_t)(seconds * 1e9);
    for (int i = 0; i < count; i++) {
        conns[i].open = 1;
        conns[i].requests_left = repeat;
        open_count++;
        begin_request(&conns[i]);
    }
    while (open_count > 0) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll_fd, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            Conn *c = ready[i].data.ptr;
            if (c->open && ready[i].events & EPOLLOUT) push(c);
            if (c->open && ready[i].events & ~(uint32_t)EPOLLOUT) pull(c);
        }
    }
    double took = (double)(now_ns() - began) / 1e9;
    printf("{\"answers\":%zu,\"events\":%zu,\"errors\":%ld,\"seconds\":%.6f", wholes.count, events.count, errors, took);
    print_series("event", &events);
    print_series("first", &firsts);
    print_series("whole", &wholes);
    printf("}\n");
    return 0;
}
