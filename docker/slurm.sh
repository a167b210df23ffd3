#!/bin/bash
# A build on machines from Slurm, with a Ray cluster on them while the build runs:
#
#     sbatch --nodes 4 docker/slurm.sh /shared/OUT rmod --library /shared/library.csv --pairs train=1000000 --shard-size 1000
#
# Submit it again after its time limit, and it resumes. An array of jobs works without Ray: see docs/guides/clusters.md.
#SBATCH --job-name=rmod
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
# The build gets SIGTERM two minutes before the time limit and releases its shards.
#SBATCH --signal=B:TERM@120
set -euo pipefail

out=$1
shift
# The cache is beside OUT. If OUT is on an object store, it is in the home folder, unless RMOD_CACHE is set.
case $out in
    *://*) ;;
    *) export RMOD_CACHE=${RMOD_CACHE:-$(dirname "$out")/cache} ;;
esac
# Other users are on these machines too. Without a token, anyone who reaches the port can run any code. The token is in the
# home folder, which the machines share.
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
if [ "$RAY_AUTH_MODE" = token ]; then ray get-auth-token --generate > /dev/null; fi
port=$((20000 + SLURM_JOB_ID % 20000))
# awk reads its whole input: a closed pipe would end this script.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | awk 'NR == 1')
address=$(getent hosts "$head" | awk 'NR == 1 { print $1 }'):$port

# --block: Ray runs as long as its step, and ends with it. `ray stop` would end other users' Ray too.
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    ray start --head --port="$port" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
# The first start of Ray on a machine takes a while.
for try in $(seq "${RAY_START_TRIES:-60}"); do
    if ray health-check --address "$address" > /dev/null 2>&1; then break; fi
    if [ "$try" = "${RAY_START_TRIES:-60}" ]; then
        echo "Ray is not up at $address" >&2
        kill $(jobs -p) 2> /dev/null || true
        exit 1
    fi
    sleep 2
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --overlap \
        ray start --address="$address" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
fi

rmod build "$@" --out "$out" --address "$address" &
build=$!
trap 'kill -TERM "$build"' TERM
code=0
wait "$build" || code=$?
# After SIGTERM the build needs a moment.
wait "$build" 2> /dev/null || true
kill $(jobs -p) 2> /dev/null || true
exit "$code"
