/* Which launcher started us, if any. MPI is initialised only under one: a run alone starts in milliseconds and needs no MPI daemon. */
#include <bramble/base/error.h>
#include <bramble/cluster/start.h>

#include <stdlib.h>
#include <string.h>
#ifdef BR_HAVE_MPI
#include <bramble/cluster/comm_mpi.h>

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* MPI_Finalize of MPICH before 4.2 does not always come back over UCX and TCP: it closes connections, which takes answers of the other end, and the other end
 * may already be at its last barrier, where it answers nobody (pmodels/mpich, pull request 6596). */
#define FINALIZE_SECONDS 2
#endif

#define SRUN "srun"

/* Ranks the launcher's environment speaks of; 0 without a launcher. */
static int launched_ranks(const char **launcher) {
  static const char *const names[][2] = {
      {"PMI_SIZE", "an mpiexec of MPICH's kind"}, {"OMPI_COMM_WORLD_SIZE", "Open MPI's mpiexec"}, {"MPI_LOCALNRANKS", "an mpiexec"}, {"SLURM_STEP_NUM_TASKS", SRUN}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text = getenv(names[i][0]);
    int n = text ? atoi(text) : 0;
    if (n > 0 && (i != 3 || getenv("SLURM_PROCID"))) {
      *launcher = names[i][1];
      return n;
    }
  }
  return 0;
}

/* MPICH of Debian speaks PMI-2 to Slurm, Open MPI PMIx; srun's own default is neither. */
const char *br_cluster_srun_option(void) {
#if !defined(BR_HAVE_MPI)
  return "";
#elif defined(OPEN_MPI)
  return "--mpi=pmix";
#else
  return "--mpi=pmi2";
#endif
}

#ifdef BR_HAVE_MPI
/* Debian's MPICH speaks TCP through UCX, which cuts messages into segments of 8 KB, a system call each, and before long ones asks the receiver, so that both must look twice. The pieces of
 * sums (packed_mpi.c), about 75 KB of exact ones, go in one or two segments and without asking: two nodes on a wire of 940 Mbit/s train 3 % faster. What is set already stays. */
static void widen_segments(void) {
  const char *transports = getenv("UCX_TLS");
  if (transports && !strstr(transports, "tcp")) return; /* UCX warns of settings it does not use */
  setenv("UCX_TCP_TX_SEG_SIZE", "64k", 0);
  setenv("UCX_TCP_RX_SEG_SIZE", "128k", 0);
  setenv("UCX_RNDV_THRESH", "128k", 0);
}
#endif

int br_cluster_start(int *argc, char ***argv, struct br_comm **out) {
  const char *launcher = NULL;
  int ranks = launched_ranks(&launcher);
  if (ranks == 0) return br_comm_open_self(out);
#ifdef BR_HAVE_MPI
  int provided;
  widen_segments();
  if (MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) BR_FAIL(BR_ERROR_COMM, "MPI did not start under %s", launcher);
  BR_TRY(br_comm_open_mpi(MPI_COMM_WORLD, out));
  int size = br_comm_size(*out);
  if (size != ranks && strcmp(launcher, SRUN) == 0) BR_FAIL(BR_ERROR_COMM, "srun started %d ranks but MPI sees %d: they do not find each other; start them with srun %s", ranks, size, br_cluster_srun_option());
  if (size != ranks)
    BR_FAIL(BR_ERROR_COMM, "%s started %d ranks but MPI sees %d: bramble is linked with another MPI; start it with that one's mpiexec", launcher, ranks, size);
  return BR_OK;
#else
  (void)argc, (void)argv;
  if (ranks == 1) return br_comm_open_self(out);
  BR_FAIL(BR_ERROR_COMM, "%s started %d ranks but this bramble was built without MPI; build it with -DBRAMBLE_MPI=ON", launcher, ranks);
#endif
}

#ifdef BR_HAVE_MPI
static volatile sig_atomic_t code_at_end;

static void leave(int signal) {
  (void)signal;
  _exit(code_at_end);
}
#endif

void br_cluster_stop(struct br_comm *comm, int exit_code) {
  br_comm_barrier(comm); /* from here on no rank has anything left to do */
  br_comm_close(comm);
#ifdef BR_HAVE_MPI
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  if (!started || ended) return;
  fflush(NULL);
  code_at_end = exit_code;
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = leave}, NULL);
  alarm(FINALIZE_SECONDS);
  MPI_Finalize();
  alarm(0);
#else
  (void)exit_code;
#endif
}

_Noreturn void br_cluster_abort(int exit_code) {
#ifdef BR_HAVE_MPI
  int started = 0;
  MPI_Initialized(&started);
  if (started) MPI_Abort(MPI_COMM_WORLD, exit_code);
#endif
  exit(exit_code);
}
