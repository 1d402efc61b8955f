#!/bin/sh
# Once for all processes, before the first start and at each upgrade: the guide, the models and what is learnt from
# the ways of asking, into the folders that the processes share. A guide that is there stays as it was edited.
set -eu
if [ ! -e "$PROMPTS_DIR/facts.yaml" ]; then
    cp -R prompts/. "$PROMPTS_DIR"
fi
cp models/catalog.yaml "$MODELS_DIR/catalog.yaml"
# Without models the guide still works, with keys and touch.
python -m service models install || echo "models are missing: see above" >&2
python -m service check
python -m service learn
