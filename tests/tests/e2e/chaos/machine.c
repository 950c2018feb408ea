/* A machine that goes wrong, for one process: loaded before the C library (LD_PRELOAD), it moves the clock and fills the disk. What
 * is wrong stands in the file TESSERA_TEST_MACHINE, which whoever tests writes while the process runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct machine {
    volatile long long seconds; /* by which the clock is ahead */
    volatile long long full;    /* whether the disk is full */
};

static struct machine sound;
static struct machine *machine = &sound;

__attribute__((constructor)) static void look(void) {
    const char *path = getenv("TESSERA_TEST_MACHINE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(struct machine), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) machine = map;
    close(fd);
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int result = real(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += machine->seconds;
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    REAL(gettimeofday);
    int result = real(time, zone);
    if (result == 0) time->tv_sec += machine->seconds;
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* Files have no room; sockets, pipes and what the process says have. */
static int is_full(int fd) {
    struct stat stat;
    return machine->full && fd > 2 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

#define UNLESS_FULL(fd, call) \
    if (is_full(fd)) { \
        errno = ENOSPC; \
        return -1; \
    } \
    return call

ssize_t write(int fd, const void *bytes, size_t len) {
    REAL(write);
    UNLESS_FULL(fd, real(fd, bytes, len));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    UNLESS_FULL(fd, real(fd, parts, count));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
    REAL(pwrite);
    UNLESS_FULL(fd, real(fd, bytes, len, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    REAL(pwrite64);
    UNLESS_FULL(fd, real(fd, bytes, len, at));
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t len, unsigned flags) {
    REAL(copy_file_range);
    UNLESS_FULL(to, real(from, at, to, there, len, flags));
}

/* Room that was not there before is not there now; less can always be had. */
static int grows(int fd, off64_t len) {
    struct stat stat;
    return is_full(fd) && fstat(fd, &stat) == 0 && len > stat.st_size;
}

int ftruncate(int fd, off_t len) {
    REAL(ftruncate);
    UNLESS_FULL(grows(fd, len) ? fd : -1, real(fd, len));
}

int ftruncate64(int fd, off64_t len) {
    REAL(ftruncate64);
    UNLESS_FULL(grows(fd, len) ? fd : -1, real(fd, len));
}

int fallocate(int fd, int mode, off_t at, off_t len) {
    REAL(fallocate);
    UNLESS_FULL(fd, real(fd, mode, at, len));
}
