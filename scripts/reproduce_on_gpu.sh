#!/usr/bin/env bash
# Reproduces the whole paper on a CUDA machine, in pieces that can each be lost without harm.
#
#   scripts/reproduce_on_gpu.sh FOLDER              all pieces, one after the other
#   scripts/reproduce_on_gpu.sh FOLDER --one-piece  one piece of at most 9 minutes; ends with exit
#                                                   code 3 while there is more to do: run it again
#
# Makes the full data set (50,000 + 10,000 images from MNIST's 60,000 + 10,000 digits) unless it is
# there, then runs `mmnist reproduce` for 7 minutes at a time. After each piece,
# FOLDER/results.tar.gz holds what is worth keeping: configurations, curves, summaries, predictions,
# the page with its tables and figures; no weights and no checkpoints. Files of an earlier
# results.tar.gz in FOLDER that are missing in runs/ are unpacked first, and its finished runs are
# not trained again; an interrupted run continues only if its checkpoint is still in runs/, and
# starts again otherwise.
#
# Settings, as environment variables (paths are looked up where the script is called, then in the
# checkout):
#   DIGITS   folder with MNIST's four IDX files (default: mnist, which is data/mnist)
#   STUDY    study file                         (default: configs/paper/experiments.yaml)
#   SEEDS    seeds of each configuration        (default: 1)
#   MMNIST   the command                        (default: mmnist)
#   DEVICE   cuda, or cpu to try the script     (default: cuda)
#   OPTIONS  further options of mmnist reproduce, such as "--epochs 1 --train-images 2000"
#   MINUTES  length of a piece                  (default: 7, plus two for the rest)
#   TRAIN, TEST  number of images               (default: 50000 and 10000)
set -euo pipefail
unset CDPATH # with it, cd prints

folder=${1:?usage: scripts/reproduce_on_gpu.sh FOLDER [--one-piece]}
pieces=${2:-all}
[[ $pieces == all || $pieces == --one-piece ]] || { echo "unknown option: $pieces" >&2; exit 2; }
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
digits=${DIGITS:-mnist}
study=${STUDY:-configs/paper/experiments.yaml}
case $digits in
    auto | mnist | sample) ;; # names that mmnist knows
    *) if [[ -e $digits ]]; then digits=$(realpath "$digits"); fi ;;
esac
if [[ -n ${STUDY:-} && -e $study ]]; then study=$(realpath "$study"); fi
cd "$(dirname "$0")/.."

read -ra mmnist <<<"${MMNIST:-mmnist}"
read -ra options <<<"${OPTIONS:-}"
archive=$folder/results.tar.gz
data=data/modified-mnist

pack() { # what is small and worth keeping, whole or not at all
    [[ -d runs ]] || return 0
    find runs -type f \( -name '*.yaml' -o -name '*.json' -o -name '*.csv' -o -name '*.npz' \
        -o -name '*.log' -o -path '*/report/*' \) -print0 |
        tar --create --gzip --null --files-from=- --file="$archive.new"
    mv "$archive.new" "$archive"
}

if [[ -f $archive ]]; then
    tar --extract --gzip --skip-old-files --file="$archive"
fi
if [[ ! -f $data/manifest.json ]]; then
    "${mmnist[@]}" data make --train "${TRAIN:-50000}" --test "${TEST:-10000}" \
        --digits "$digits" --output "$data"
fi

while true; do
    status=0
    "${mmnist[@]}" reproduce --file "$study" \
        --seeds "${SEEDS:-1}" --device "${DEVICE:-cuda}" --time-limit "${MINUTES:-7}" \
        "${options[@]}" || status=$?
    pack
    if [[ -f $archive ]]; then echo "results so far: $archive ($(du -h "$archive" | cut -f1))"; fi
    # 3: out of time, with more to do. 0: all done. Else: what failed was said above.
    [[ $status == 3 && $pieces == all ]] || exit "$status"
done
