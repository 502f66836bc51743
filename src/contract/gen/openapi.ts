// Written by scripts/generate.ts. DO NOT EDIT.
/** The OpenAPI 3.1 document of the REST API. */
export const OPENAPI = {
  "openapi": "3.1.0",
  "info": {
    "title": "Torpor",
    "version": "v1",
    "description": "A discrete GPU whose power you can cut, over REST. The gRPC package torpor.v1 is the same contract.\n\nBodies are proto3 JSON in lowerCamelCase, whatever the content type says. 64-bit integers are strings in answers;\nnumbers up to 2^53-1 are accepted in requests. Unknown fields are refused. An empty body means {}.",
    "license": {
      "name": "MIT",
      "identifier": "MIT"
    }
  },
  "servers": [
    {
      "url": "/",
      "description": "The daemon that serves this document."
    }
  ],
  "security": [
    {},
    {
      "token": []
    },
    {
      "certificate": []
    }
  ],
  "tags": [
    {
      "name": "PowerService",
      "description": "Puts devices to sleep and wakes them."
    },
    {
      "name": "DeviceService",
      "description": "Shows and resets the devices that this daemon hosts."
    },
    {
      "name": "EngineService",
      "description": "Runs clients' work on the engines.\n\nResetEngine, CreateContext, DeleteContext and SubmitWork need an ACTIVE device. While it is suspended they answer\nFAILED_PRECONDITION (DEVICE_SUSPENDED) at once; while a transition runs, UNAVAILABLE (DEVICE_TRANSITION) with\nRetryInfo, or, with holdDuringTransition, they wait for its end and run once. The others are legal in every power\nstate."
    },
    {
      "name": "FaultService",
      "description": "Makes steps of a suspend or a resume fail, wait, hang or end the daemon, so that what follows can be rehearsed.\n\nAll of it is refused with PERMISSION_DENIED (FAULTS_DISABLED) unless the daemon runs with --enable-faults."
    },
    {
      "name": "MemoryService",
      "description": "Allocates, places, reads and writes memory objects.\n\nMethods that touch content or placement need an ACTIVE device. While it is suspended they answer\nFAILED_PRECONDITION (DEVICE_SUSPENDED) at once; while a transition runs, UNAVAILABLE (DEVICE_TRANSITION) with\nRetryInfo, or, with holdDuringTransition, they wait for its end and run once."
    },
    {
      "name": "SnapshotService",
      "description": "Takes snapshots of devices in the memory of the daemon, and restores devices from them. docs/snapshots.md says what comes back."
    },
    {
      "name": "Monitoring",
      "description": "Health and metrics of the daemon."
    }
  ],
  "paths": {
    "/v1/devices/{device}:planSuspend": {
      "post": {
        "operationId": "PowerService_PlanSuspend",
        "tags": [
          "PowerService"
        ],
        "summary": "Tells what a suspend would do now, without doing any of it: which share of local memory would go which way, how much system memory that takes, and what would stop it",
        "description": "Tells what a suspend would do now, without doing any of it: which share of local memory would go which way, how much\nsystem memory that takes, and what would stop it.\n\nNeeds: an ACTIVE device. Success: changes nothing, not even what was used last; what is allocated between the plan and\nthe suspend is not in it. A plan that is not feasible is an answer, with its blockers. Failure: what Suspend answers in\nthat power state: ABORTED (TRANSITION_IN_PROGRESS), FAILED_PRECONDITION (DEVICE_SUSPENDED, DEVICE_FAILED); NOT_FOUND\n(DEVICE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/PlanSuspendRequest"
              },
              "example": {}
            }
          }
        },
        "responses": {
          "200": {
            "description": "What a suspend would do if it began now.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/SuspendPlan"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}:suspend": {
      "post": {
        "operationId": "PowerService_Suspend",
        "tags": [
          "PowerService"
        ],
        "summary": "Suspends a device: evicts and backs up local memory, then cuts the power. S4, and S3 with hybrid, write an image of system memory first",
        "description": "Suspends a device: evicts and backs up local memory, then cuts the power. S4, and S3 with hybrid, write an image of\nsystem memory first.\n\nNeeds: an ACTIVE device, or one that sleeps less deeply: that goes from S2idle to S3, and from both to hybrid sleep or\nS4, without waking, with the phases image and power_off. For an image a daemon with a data directory. Success: by\ndefault answers when the transition has ended, with state SUCCEEDED and the device SUSPENDED; with `wait` of 0s at\nonce, with a RUNNING transition (REST: 202 and Location). A device that is already in that sleep state answers the\ntransition that led there, with alreadyInState, and nothing runs. A client that goes away does not end the transition. With validateOnly nothing runs at all, and the answer is a\ntransition without a name. Failure: ABORTED (TRANSITION_IN_PROGRESS) while another runs; FAILED_PRECONDITION while\nsuspended to a deeper state, FAILED or (DEVICE_LOST) without its card, and (IMAGE_STORE_MISSING) where no images are kept; RESOURCE_EXHAUSTED (IMAGE_STORE_FULL) when the image does not fit, before its\nfirst byte; else the error that ended the transition, named in ErrorInfo.metadata.transition. Until the power is cut every failure is undone: the device is ACTIVE again,\nor asleep as it was, with every byte as before.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/SuspendRequest"
              },
              "example": {
                "state": "S3",
                "idleTimeout": "0.5s",
                "onIdleTimeout": "WEDGE",
                "verify": true
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "One move between power states: what was asked, what happened, and how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "202": {
            "description": "The transition is running.",
            "headers": {
              "Location": {
                "description": "Where to read the transition.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}:resume": {
      "post": {
        "operationId": "PowerService_Resume",
        "tags": [
          "PowerService"
        ],
        "summary": "Resumes a device: restores power, then what was backed up. From S4 it reads the image that the suspend wrote",
        "description": "Resumes a device: restores power, then what was backed up. From S4 it reads the image that the suspend wrote.\n\nNeeds: a SUSPENDED or FAILED device, or an ACTIVE one without objects when an image is named. Success: as Suspend, and the device is ACTIVE; pinned objects are in their old\nextents, the others come back at next use. An ACTIVE device answers the transition that led there, with\nalreadyInState. The image is claimed before a byte of it is read, and CONSUMED before the device is ACTIVE. With validateOnly nothing runs, and the answer is a\ntransition without a name. Failure: ABORTED (TRANSITION_IN_PROGRESS) while another runs; NOT_FOUND\n(IMAGE_NOT_FOUND), DATA_LOSS (IMAGE_CORRUPT), FAILED_PRECONDITION (IMAGE_INCOMPATIBLE) with the differences, some of\nwhich allowDifferences may accept, FAILED_PRECONDITION (DEVICE_NOT_EMPTY), (IMAGE_IN_USE) when another device is\nsuspended to the image, (IMAGE_CLAIMED) and (IMAGE_CONSUMED) with who has it and since when, (OWNERSHIP_LOST) when the\ndevice has all in memory and its image was taken; UNAVAILABLE (OWNERSHIP_IN_DOUBT) when the store does not answer:\nnothing changes; else the error that ended the transition. Before power is on the device stays SUSPENDED, later it is FAILED with its backups still\nattached: Resume again.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ResumeRequest"
              },
              "example": {
                "verify": true,
                "wait": "30s"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "One move between power states: what was asked, what happened, and how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "202": {
            "description": "The transition is running.",
            "headers": {
              "Location": {
                "description": "Where to read the transition.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/transitions/{transition}": {
      "get": {
        "operationId": "PowerService_GetTransition",
        "tags": [
          "PowerService"
        ],
        "summary": "Shows one transition, running or ended",
        "description": "Shows one transition, running or ended.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (TRANSITION_NOT_FOUND)\nwhen it never was, or is no longer kept.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "transition",
            "in": "path",
            "required": true,
            "description": "Id of the transition: the part of its resource name after transitions/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "responses": {
          "200": {
            "description": "One move between power states: what was asked, what happened, and how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/transitions": {
      "get": {
        "operationId": "PowerService_ListTransitions",
        "tags": [
          "PowerService"
        ],
        "summary": "Lists the transitions of a device that are still kept, newest first",
        "description": "Lists the transitions of a device that are still kept, newest first.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: INVALID_ARGUMENT\n(INVALID_PAGE_TOKEN) for a token that this method did not give out for this device.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "pageSize",
            "in": "query",
            "description": "Most transitions to answer; 0 means 100, more than 1000 means 1000.",
            "schema": {
              "type": "integer",
              "format": "int32"
            }
          },
          {
            "name": "pageToken",
            "in": "query",
            "description": "nextPageToken of the page before; empty for the first page.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A page of the transitions of a device.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListTransitionsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/transitions/{transition}:cancel": {
      "post": {
        "operationId": "PowerService_CancelTransition",
        "tags": [
          "PowerService"
        ],
        "summary": "Ends a running suspend and undoes it",
        "description": "Ends a running suspend and undoes it.\n\nNeeds: a RUNNING suspend whose power_off has not begun. Success: the device is ACTIVE again with every byte as\nbefore, and the transition CANCELLED. Failure: FAILED_PRECONDITION (TRANSITION_NOT_CANCELLABLE) once power_off has\nbegun, for a resume, and for what has ended; nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "transition",
            "in": "path",
            "required": true,
            "description": "Id of the transition: the part of its resource name after transitions/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/CancelTransitionRequest"
              },
              "example": {}
            }
          }
        },
        "responses": {
          "200": {
            "description": "One move between power states: what was asked, what happened, and how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "202": {
            "description": "The transition is running.",
            "headers": {
              "Location": {
                "description": "Where to read the transition.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/transitions/{transition}/trace": {
      "get": {
        "operationId": "PowerService_GetTransitionTrace",
        "tags": [
          "PowerService"
        ],
        "summary": "Shows where the time of a transition went, as Chrome trace events that Perfetto opens: its phases, and the copies of each engine",
        "description": "Shows where the time of a transition went, as Chrome trace events that Perfetto opens: its phases, and the copies\nof each engine.\n\nNeeds: nothing; legal in every power state. Success: the body is JSON; of a transition that is RUNNING, what there\nis so far. What a trace had no room for it counts. Failure: NOT_FOUND (TRANSITION_NOT_FOUND) when it never was, or\nis no longer kept.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "transition",
            "in": "path",
            "required": true,
            "description": "Id of the transition: the part of its resource name after transitions/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "responses": {
          "200": {
            "description": "What was asked for.",
            "content": {
              "application/json": {
                "schema": {}
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/runtimePm": {
      "get": {
        "operationId": "PowerService_GetRuntimePm",
        "tags": [
          "PowerService"
        ],
        "summary": "Shows runtime PM of a device: how it is set, and how it stands",
        "description": "Shows runtime PM of a device: how it is set, and how it stands.\n\nNeeds: nothing; legal in every power state, never wakes the device. Success: changes nothing. Failure: NOT_FOUND\n(DEVICE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "responses": {
          "200": {
            "description": "Runtime PM of a device: three settings, and how it stands.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/RuntimePm"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "patch": {
        "operationId": "PowerService_UpdateRuntimePm",
        "tags": [
          "PowerService"
        ],
        "summary": "Changes how runtime PM of a device is set",
        "description": "Changes how runtime PM of a device is set.\n\nNeeds: nothing; legal in every power state. Success: what is given holds from now on, the rest stays; a device that\nsleeps wakes when runtime PM is disabled, at the latest at its next use. Failure: NOT_FOUND (DEVICE_NOT_FOUND);\nINVALID_ARGUMENT (INVALID_REQUEST) for a mask that names what cannot be changed or was not given, a delay below 0s or above one day,\na threshold that is negative or above the size of local memory; nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "updateMask",
            "in": "query",
            "description": "Which of enabled, autosuspendDelay and d3coldThreshold to set; `*` is all of them. Unset means those that are\ngiven.",
            "schema": {
              "type": "string",
              "examples": [
                "enabled,autosuspendDelay"
              ]
            }
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/RuntimePm"
              },
              "example": {
                "enabled": true,
                "autosuspendDelay": "1s"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Runtime PM of a device: three settings, and how it stands.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/RuntimePm"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/images": {
      "get": {
        "operationId": "PowerService_ListImages",
        "tags": [
          "PowerService"
        ],
        "summary": "Lists the hibernation images of the daemon, those of one device by age, oldest first",
        "description": "Lists the hibernation images of the daemon, those of one device by age, oldest first.\n\nNeeds: nothing; legal in every power state. Success: changes nothing; a daemon without a data directory has none.\nFailure: INVALID_ARGUMENT (INVALID_PAGE_TOKEN) for a token that this method did not give out; INTERNAL (COPY_FAILED)\nwhen the directory cannot be read.",
        "parameters": [
          {
            "name": "pageSize",
            "in": "query",
            "description": "Most images to answer; 0 means 100, more than 1000 means 1000.",
            "schema": {
              "type": "integer",
              "format": "int32"
            }
          },
          {
            "name": "pageToken",
            "in": "query",
            "description": "nextPageToken of the page before; empty for the first page.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A page of the images.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListImagesResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/images/{image}": {
      "get": {
        "operationId": "PowerService_GetImage",
        "tags": [
          "PowerService"
        ],
        "summary": "Shows one hibernation image",
        "description": "Shows one hibernation image.\n\nNeeds: nothing; legal in every power state. Success: changes nothing; of an image that cannot be read, what its file\nsays. Failure: NOT_FOUND (IMAGE_NOT_FOUND).",
        "parameters": [
          {
            "name": "image",
            "in": "path",
            "required": true,
            "description": "Id of the image: the part of its resource name after images/.",
            "schema": {
              "type": "string"
            },
            "example": "card0-20260101t120000000z-1f2e3d4c"
          }
        ],
        "responses": {
          "200": {
            "description": "What a device was when it was suspended to S4, or to hybrid S3: its memory, contexts and counters, in a file.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Image"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "delete": {
        "operationId": "PowerService_DeleteImage",
        "tags": [
          "PowerService"
        ],
        "summary": "Deletes a hibernation image, and what it holds with it",
        "description": "Deletes a hibernation image, and what it holds with it.\n\nNeeds: an image that no device is suspended to or restores. Success: its bytes are free, and no device can resume from it.\nFailure: FAILED_PRECONDITION (IMAGE_IN_USE) while a device is suspended to it; NOT_FOUND (IMAGE_NOT_FOUND); INTERNAL\n(COPY_FAILED) when its file cannot be removed; nothing changes.",
        "parameters": [
          {
            "name": "image",
            "in": "path",
            "required": true,
            "description": "Id of the image: the part of its resource name after images/.",
            "schema": {
              "type": "string"
            },
            "example": "card0-20260101t120000000z-1f2e3d4c"
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices": {
      "get": {
        "operationId": "DeviceService_ListDevices",
        "tags": [
          "DeviceService"
        ],
        "summary": "Lists every device that this daemon hosts, by name",
        "description": "Lists every device that this daemon hosts, by name.\n\nNeeds: nothing; legal in every power state, never waits and never wakes a device. Success: changes nothing. The\nlist is short (devices are configuration) and comes whole, without pages. Failure: none of its own.",
        "responses": {
          "200": {
            "description": "Every device of the daemon.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListDevicesResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}": {
      "get": {
        "operationId": "DeviceService_GetDevice",
        "tags": [
          "DeviceService"
        ],
        "summary": "Shows one device: its power state, how often it slept, its regions and engines",
        "description": "Shows one device: its power state, how often it slept, its regions and engines.\n\nNeeds: nothing; legal in every power state, never waits and never wakes the device. Success: changes nothing.\nFailure: NOT_FOUND (DEVICE_NOT_FOUND) when the daemon hosts no device of that name.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "responses": {
          "200": {
            "description": "A virtual discrete GPU.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Device"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}:reset": {
      "post": {
        "operationId": "DeviceService_ResetDevice",
        "tags": [
          "DeviceService"
        ],
        "summary": "Resets a device: its engines, or everything",
        "description": "Resets a device: its engines, or everything.\n\nWith scope GT (the default) the engines and their microcontroller stop and start anew: work that waits or runs has\nFAILED (ENGINE_HUNG), `wedged` is cleared, memory and contexts stay. With scope FACTORY every object and context of\nclients, every fence and every backup is dropped, failpoints that are armed for this device alone are disarmed, and\nFAILED is cleared: a clean device, in milliseconds.\n\nNeeds: for GT an ACTIVE device, wedged or not, or a FAILED one, whose next Resume may then get further; for FACTORY\nnothing: a running transition is cancelled or waited for. Success: the device is not wedged, and ACTIVE unless GT was\nasked of a FAILED one, which stays FAILED with its backups. Failure: of GT FAILED_PRECONDITION (DEVICE_SUSPENDED),\nABORTED (TRANSITION_IN_PROGRESS), and nothing changes; of both INTERNAL (FIRMWARE_LOAD_FAILED, ENGINE_HUNG) when the\ndevice does not start again, and it is wedged then; of FACTORY DEADLINE_EXCEEDED (IDLE_TIMEOUT) when calls in\nprogress do not end.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ResetDeviceRequest"
              },
              "example": {
                "scope": "FACTORY"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A virtual discrete GPU.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Device"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/events": {
      "get": {
        "operationId": "DeviceService_WatchEvents",
        "tags": [
          "DeviceService"
        ],
        "summary": "Tells what happens to devices, as it happens. It ends only when the client or the daemon does",
        "description": "Tells what happens to devices, as it happens. It ends only when the client or the daemon does.\n\nWithout `afterSequence` the stream begins with the present state, told as if it came about now: a DEVICE_CHANGED of\neach device, and OBJECTS_CREATED and CONTEXT_CREATED of what there is. These events have sequence 0. A BOOKMARK ends\nthem; from its sequence on the events are live. Every event carries things as they are when it is told, whole, so\nwhoever keeps the last it heard of each thing, and forgets what is deleted, has the state of the devices. What\nchanges again before it is told is told once; an event may repeat what the present state said already, and\nOBJECTS_DELETED may name objects that were never told.\n\nWith `afterSequence` the stream begins with the events after that one, none left out and none told twice, and a\nBOOKMARK ends them: this is how a client goes on where it was cut off. The log is bounded, and it is kept while\nsomebody watches and for ten minutes after; sequences begin anew when the daemon does. Bookmarks also come whenever\nnothing else was to be told for 15 seconds.\n\nOver REST the events are server-sent events: `id:` is the sequence, `event:` the type, `data:` the event as JSON.\nThe header Last-Event-ID stands for afterSequence, but where that has expired the stream begins anew: with\nSTREAM_RESTARTED, then the present state. A browser sends the header by itself and cannot drop it. An error in the middle of the stream is an event `error`, whose\ndata is the body that a failed request has, and the stream ends.\n\nNeeds: nothing; legal in every power state, never waits and never wakes a device. Success: changes nothing. Failure:\nNOT_FOUND (DEVICE_NOT_FOUND); OUT_OF_RANGE (EVENTS_EXPIRED) when events after `afterSequence` are no longer kept, or\nit is none of this run of the daemon: begin without it; RESOURCE_EXHAUSTED (LIMIT_EXCEEDED) beyond 256 watchers;\nRESOURCE_EXHAUSTED (SLOW_CONSUMER) when the client reads so slowly that half of the log waits for it:\nErrorInfo.metadata.afterSequence says where to go on; UNAVAILABLE (SHUTTING_DOWN) when the daemon stops.",
        "parameters": [
          {
            "name": "device",
            "in": "query",
            "description": "Resource name or id of the only device to tell of; empty is all.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "types",
            "in": "query",
            "description": "The only types to tell; none is all. Bookmarks always come.",
            "style": "form",
            "explode": true,
            "schema": {
              "type": "array",
              "items": {
                "type": "string",
                "enum": [
                  "TYPE_UNSPECIFIED",
                  "BOOKMARK",
                  "DEVICE_CHANGED",
                  "TRANSITION_STARTED",
                  "PHASE_ENDED",
                  "TRANSITION_ENDED",
                  "OBJECTS_CREATED",
                  "OBJECTS_CHANGED",
                  "OBJECTS_DELETED",
                  "CONTEXT_CREATED",
                  "CONTEXT_CHANGED",
                  "CONTEXT_DELETED",
                  "ENGINE_RESET",
                  "EVICTED",
                  "FAILPOINT_HIT",
                  "IMAGE_SEALED",
                  "IMAGE_CONSUMED",
                  "STREAM_RESTARTED",
                  "DEVICE_RESTORED"
                ]
              }
            }
          },
          {
            "name": "afterSequence",
            "in": "query",
            "description": "Sequence of the last event that the client has; unset begins with the present state.",
            "schema": {
              "type": "string",
              "format": "int64"
            }
          },
          {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "Stands for afterSequence: what a browser sends when it connects again. Where that has expired the stream begins with STREAM_RESTARTED and the present state.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "Server-sent events without end; the data of each is an Event as JSON.",
            "content": {
              "text/event-stream": {
                "schema": {
                  "$ref": "#/components/schemas/Event"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/engines": {
      "get": {
        "operationId": "EngineService_ListEngines",
        "tags": [
          "EngineService"
        ],
        "summary": "Lists the engines of a device: what each is doing, and how its work has ended so far",
        "description": "Lists the engines of a device: what each is doing, and how its work has ended so far.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. The list is short (engines are\nconfiguration) and comes whole. Failure: NOT_FOUND (DEVICE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "responses": {
          "200": {
            "description": "The engines of a device.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListEnginesResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/engines/{engine}": {
      "get": {
        "operationId": "EngineService_GetEngine",
        "tags": [
          "EngineService"
        ],
        "summary": "Shows one engine",
        "description": "Shows one engine.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (ENGINE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "engine",
            "in": "path",
            "required": true,
            "description": "Id of the engine: the part of its resource name after engines/.",
            "schema": {
              "type": "string"
            },
            "example": "rcs0"
          }
        ],
        "responses": {
          "200": {
            "description": "A part of the device that executes commands, one context at a time.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Engine"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/engines/{engine}:reset": {
      "post": {
        "operationId": "EngineService_ResetEngine",
        "tags": [
          "EngineService"
        ],
        "summary": "Resets an engine that hangs, without waiting for its heartbeat to find out",
        "description": "Resets an engine that hangs, without waiting for its heartbeat to find out.\n\nNeeds: an ACTIVE device; an engine that is already being reset, or a wedged one, is left as it is. Success: the\nrequest that the engine worked on has FAILED (ENGINE_HUNG) and its context has one hang more, which bans it at the\nthird; whatever was behind it runs again and loses nothing. Was it the device's own work, or did the engine not come\nback, then the device is wedged. Failure: NOT_FOUND (ENGINE_NOT_FOUND); nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "engine",
            "in": "path",
            "required": true,
            "description": "Id of the engine: the part of its resource name after engines/.",
            "schema": {
              "type": "string"
            },
            "example": "rcs0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ResetEngineRequest"
              },
              "example": {}
            }
          }
        },
        "responses": {
          "200": {
            "description": "A part of the device that executes commands, one context at a time.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Engine"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/contexts": {
      "get": {
        "operationId": "EngineService_ListContexts",
        "tags": [
          "EngineService"
        ],
        "summary": "Lists the contexts of a device by ascending id",
        "description": "Lists the contexts of a device by ascending id.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Contexts made or deleted between two pages may\nor may not be listed; all others are listed once. Failure: INVALID_ARGUMENT (INVALID_PAGE_TOKEN) for a token of\nanother listing.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "pageSize",
            "in": "query",
            "description": "Most contexts to answer; 0 means 100, more than 1000 means 1000.",
            "schema": {
              "type": "integer",
              "format": "int32"
            }
          },
          {
            "name": "pageToken",
            "in": "query",
            "description": "nextPageToken of the page before; empty for the first page.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A page of the contexts of a device.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListContextsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "post": {
        "operationId": "EngineService_CreateContext",
        "tags": [
          "EngineService"
        ],
        "summary": "Makes a context on an engine",
        "description": "Makes a context on an engine.\n\nNeeds: an ACTIVE device that is not wedged. Success: a new context; its image and its ring are objects of the\ndevice's own, which take local memory at the first work. Failure: NOT_FOUND (ENGINE_NOT_FOUND),\nRESOURCE_EXHAUSTED (LIMIT_EXCEEDED) beyond 1024 contexts, INTERNAL (DEVICE_WEDGED); nothing is made.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/CreateContextRequest"
              },
              "example": {
                "engine": "rcs0",
                "priority": "NORMAL"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A client's place on an engine: sixteen registers and a ring, in which its requests run one after the other.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Context"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/contexts/{context}": {
      "get": {
        "operationId": "EngineService_GetContext",
        "tags": [
          "EngineService"
        ],
        "summary": "Shows one context: its registers, what it has to do, and how often it hung",
        "description": "Shows one context: its registers, what it has to do, and how often it hung.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (CONTEXT_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "context",
            "in": "path",
            "required": true,
            "description": "Id of the context: the part of its resource name after contexts/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "responses": {
          "200": {
            "description": "A client's place on an engine: sixteen registers and a ring, in which its requests run one after the other.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Context"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "delete": {
        "operationId": "EngineService_DeleteContext",
        "tags": [
          "EngineService"
        ],
        "summary": "Deletes a context that has nothing to do, with its image and its ring",
        "description": "Deletes a context that has nothing to do, with its image and its ring.\n\nNeeds: an ACTIVE device, a context without pending requests. Success: the context is gone; fences of its work can\nstill be asked for. Failure: NOT_FOUND (CONTEXT_NOT_FOUND), FAILED_PRECONDITION (CONTEXT_ACTIVE); nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "context",
            "in": "path",
            "required": true,
            "description": "Id of the context: the part of its resource name after contexts/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "holdDuringTransition",
            "in": "query",
            "description": "Wait for the end of a running transition instead of failing.",
            "schema": {
              "type": "boolean"
            }
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/contexts/{context}:submit": {
      "post": {
        "operationId": "EngineService_SubmitWork",
        "tags": [
          "EngineService"
        ],
        "summary": "Submits commands as one request, and answers its fence",
        "description": "Submits commands as one request, and answers its fence.\n\nAll commands are checked before anything happens; one that is invalid refuses the request whole. The request runs\nafter those before it in its context, after `waitFences`, and after those anywhere that use its objects in its way;\nobjects that were evicted are brought back first. Over REST 10000 commands fit the body of 1 MiB when each takes at most\n100 bytes of JSON, such as a storeDword with a bare id; longer ones go over gRPC, where any 10000 fit, or as several\nrequests.\n\nNeeds: an ACTIVE device that is not wedged, a context that is not banned. Success: a fence, PENDING unless the work has\nended within `wait`. What happens later is told by the fence and not by this method: a request that fails is an answer\nwith state FAILED. Failure: INVALID_ARGUMENT (INVALID_RANGE) for a command that cannot be executed, named in\nErrorInfo.metadata.command by its place from 0; INVALID_ARGUMENT (INVALID_REQUEST) for no or more than 10000\ncommands, for more than 256 fences to wait for, and for a command that says nothing or names something of another\ndevice; NOT_FOUND (CONTEXT_NOT_FOUND, OBJECT_NOT_FOUND, FENCE_NOT_FOUND); FAILED_PRECONDITION (CONTEXT_BANNED,\nOBJECT_PURGED); DATA_LOSS (CONTENT_UNKNOWN); RESOURCE_EXHAUSTED (LIMIT_EXCEEDED) beyond 1024 pending requests of the\ncontext; INTERNAL (DEVICE_WEDGED). Nothing was submitted then.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "context",
            "in": "path",
            "required": true,
            "description": "Id of the context: the part of its resource name after contexts/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/SubmitWorkRequest"
              },
              "example": {
                "commands": [
                  {
                    "fill": {
                      "object": "1",
                      "offset": "0",
                      "length": "4096",
                      "pattern": 3735928559
                    }
                  },
                  {
                    "checksum": {
                      "object": "1",
                      "offset": "0",
                      "length": "4096",
                      "destination": "2",
                      "destinationOffset": "0"
                    }
                  }
                ],
                "wait": "5s"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Stands for one request from the moment it is accepted, and says how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Fence"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/fences/{fence}": {
      "get": {
        "operationId": "EngineService_GetFence",
        "tags": [
          "EngineService"
        ],
        "summary": "Shows one fence",
        "description": "Shows one fence.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (FENCE_NOT_FOUND) when it\nnever was, or settled so long ago that it is no longer kept: the newest 16384 at least are.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "fence",
            "in": "path",
            "required": true,
            "description": "Id of the fence: the part of its resource name after fences/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "responses": {
          "200": {
            "description": "Stands for one request from the moment it is accepted, and says how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Fence"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/fences/{fence}:wait": {
      "post": {
        "operationId": "EngineService_WaitFence",
        "tags": [
          "EngineService"
        ],
        "summary": "Waits until a fence has settled",
        "description": "Waits until a fence has settled.\n\nNeeds: nothing; legal in every power state, never wakes the device and never holds up a transition. Success: changes\nnothing; a fence that has settled, SIGNALED or FAILED. Failure: NOT_FOUND (FENCE_NOT_FOUND), DEADLINE_EXCEEDED when\nit is still PENDING after `timeout`, INVALID_ARGUMENT (INVALID_REQUEST) for a timeout beyond 3600s; the work goes on.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "fence",
            "in": "path",
            "required": true,
            "description": "Id of the fence: the part of its resource name after fences/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/WaitFenceRequest"
              },
              "example": {
                "timeout": "10s"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Stands for one request from the moment it is accepted, and says how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Fence"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/failpoints": {
      "get": {
        "operationId": "FaultService_ListFailpoints",
        "tags": [
          "FaultService"
        ],
        "summary": "Lists every failpoint, armed or not, in the order in which a suspend and a resume meet them",
        "description": "Lists every failpoint, armed or not, in the order in which a suspend and a resume meet them.\n\nNeeds: --enable-faults. Success: changes nothing; the list is short and comes whole. Failure: PERMISSION_DENIED\n(FAULTS_DISABLED).",
        "responses": {
          "200": {
            "description": "The failpoints.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListFailpointsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/failpoints/{failpoint}": {
      "put": {
        "operationId": "FaultService_ArmFailpoint",
        "tags": [
          "FaultService"
        ],
        "summary": "Arms a failpoint, in place of what was armed there",
        "description": "Arms a failpoint, in place of what was armed there.\n\nNeeds: --enable-faults; legal in every power state. Success: the failpoint counts its passes anew and keeps its\nhits; what waited at it before goes on. Failure: NOT_FOUND (FAILPOINT_NOT_FOUND, DEVICE_NOT_FOUND); INVALID_ARGUMENT\n(INVALID_REQUEST) for no action, a DELAY without a delay or of more than 600s, a reason that no device gives, a\nprobability that is not above 0 and at most 1, a negative count or after, ERROR or HANG at powerOff.after or\nimage.consumed, where nothing can fail any more; what was armed stays.",
        "parameters": [
          {
            "name": "failpoint",
            "in": "path",
            "required": true,
            "description": "Id of the failpoint: the part of its resource name after failpoints/.",
            "schema": {
              "type": "string"
            },
            "example": "evict.object"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ArmFailpointRequest"
              },
              "example": {
                "action": "ERROR",
                "reason": "COPY_FAILED",
                "after": 2,
                "count": 1
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A named place where things can be made to go wrong.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Failpoint"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "delete": {
        "operationId": "FaultService_DisarmFailpoint",
        "tags": [
          "FaultService"
        ],
        "summary": "Disarms a failpoint and lets go of what waits at it",
        "description": "Disarms a failpoint and lets go of what waits at it.\n\nNeeds: --enable-faults; legal in every power state, also when nothing is armed there. Success: the failpoint,\ndisarmed, with its hits. Failure: NOT_FOUND (FAILPOINT_NOT_FOUND); nothing changes.",
        "parameters": [
          {
            "name": "failpoint",
            "in": "path",
            "required": true,
            "description": "Id of the failpoint: the part of its resource name after failpoints/.",
            "schema": {
              "type": "string"
            },
            "example": "evict.object"
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A named place where things can be made to go wrong.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Failpoint"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/failpoints:reset": {
      "post": {
        "operationId": "FaultService_ResetFailpoints",
        "tags": [
          "FaultService"
        ],
        "summary": "Disarms every failpoint, lets go of what hangs, and sets all hits to 0",
        "description": "Disarms every failpoint, lets go of what hangs, and sets all hits to 0.\n\nNeeds: --enable-faults; legal in every power state. Success: nothing is armed; the metric\ntorpor_failpoint_hits_total goes on counting. Failure: PERMISSION_DENIED (FAULTS_DISABLED).",
        "parameters": [
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ResetFailpointsRequest"
              },
              "example": {}
            }
          }
        },
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/regions": {
      "get": {
        "operationId": "MemoryService_ListRegions",
        "tags": [
          "MemoryService"
        ],
        "summary": "Lists the memory regions of a device, local ones first",
        "description": "Lists the memory regions of a device, local ones first.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. The list is short and comes whole. Failure:\nNOT_FOUND (DEVICE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "responses": {
          "200": {
            "description": "The regions of a device.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListRegionsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/regions/{region}": {
      "get": {
        "operationId": "MemoryService_GetRegion",
        "tags": [
          "MemoryService"
        ],
        "summary": "Shows one region: its size, and how much of it is used, pinned and free",
        "description": "Shows one region: its size, and how much of it is used, pinned and free.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (REGION_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "region",
            "in": "path",
            "required": true,
            "description": "Id of the region: the part of its resource name after regions/.",
            "schema": {
              "type": "string"
            },
            "example": "lmem0"
          }
        ],
        "responses": {
          "200": {
            "description": "A region of a device's memory. All sizes are in bytes.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Region"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/regions/{region}:evict": {
      "post": {
        "operationId": "MemoryService_EvictRegion",
        "tags": [
          "MemoryService"
        ],
        "summary": "Moves unpinned objects out of a local region, least recently used first",
        "description": "Moves unpinned objects out of a local region, least recently used first.\n\nNeeds: an ACTIVE device, a LOCAL region. Success: at least `bytes` left the region if that much is evictable, or\neverything evictable; contents are kept, but for objects advised DONT_NEED, which are thrown away. Failure:\nRESOURCE_EXHAUSTED (SYSTEM_MEMORY_EXHAUSTED) when there is no room for the next object; those already moved stay\nmoved.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "region",
            "in": "path",
            "required": true,
            "description": "Id of the region: the part of its resource name after regions/.",
            "schema": {
              "type": "string"
            },
            "example": "lmem0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/EvictRegionRequest"
              },
              "example": {
                "bytes": "67108864"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "What left the region.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/EvictRegionResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects": {
      "get": {
        "operationId": "MemoryService_ListObjects",
        "tags": [
          "MemoryService"
        ],
        "summary": "Lists the objects of a device by ascending id",
        "description": "Lists the objects of a device by ascending id.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Objects made or deleted between two pages\nmay or may not be listed; all others are listed once. Failure: INVALID_ARGUMENT (INVALID_REQUEST) for a filter\nthat cannot be read, INVALID_ARGUMENT (INVALID_PAGE_TOKEN) for a token of another listing.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "pageSize",
            "in": "query",
            "description": "Most objects to answer; 0 means 100, more than 1000 means 1000.",
            "schema": {
              "type": "integer",
              "format": "int32"
            }
          },
          {
            "name": "pageToken",
            "in": "query",
            "description": "nextPageToken of the page before; empty for the first page.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "filter",
            "in": "query",
            "description": "Which objects: terms `region = lmem0`, `state = RESIDENT`, `label = \"weights\"`, joined by AND (AIP-160).",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "showDeviceOwned",
            "in": "query",
            "description": "Also list the objects that the device itself owns (k1, k2…).",
            "schema": {
              "type": "boolean"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A page of the objects of a device.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListObjectsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "post": {
        "operationId": "MemoryService_CreateObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Makes an object. It takes no memory until it is first used",
        "description": "Makes an object. It takes no memory until it is first used.\n\nNeeds: an ACTIVE device. Success: a new UNPOPULATED object with an id never used before. Failure: INVALID_ARGUMENT\n(INVALID_SIZE, INVALID_REGION, INVALID_FLAGS), RESOURCE_EXHAUSTED (LIMIT_EXCEEDED); nothing is made.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/CreateObjectRequest"
              },
              "example": {
                "size": "67108864",
                "regions": [
                  "lmem0",
                  "smem"
                ],
                "label": "weights",
                "requestId": "5f0c2f4e-8a4b-4f0e-9f60-2b1d5c7a9e31"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A memory object: bytes with a name, and a place that may change.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}": {
      "get": {
        "operationId": "MemoryService_GetObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Shows one object: where it is, in which state, and who holds it",
        "description": "Shows one object: where it is, in which state, and who holds it.\n\nNeeds: nothing; legal in every power state. Success: changes nothing, not even its place in the LRU. Failure:\nNOT_FOUND (OBJECT_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "responses": {
          "200": {
            "description": "A memory object: bytes with a name, and a place that may change.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "delete": {
        "operationId": "MemoryService_DeleteObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Deletes an object; its memory is free once no copy uses it",
        "description": "Deletes an object; its memory is free once no copy uses it.\n\nNeeds: an ACTIVE device, an object that is not pinned. Success: the name is gone for ever. Failure: NOT_FOUND\n(OBJECT_NOT_FOUND), FAILED_PRECONDITION (OBJECT_PINNED); the object stays as it was.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "holdDuringTransition",
            "in": "query",
            "description": "Wait for the end of a running transition instead of failing.",
            "schema": {
              "type": "boolean"
            }
          },
          {
            "name": "etag",
            "in": "query",
            "description": "The etag that the object must have; ABORTED (ETAG_MISMATCH) otherwise. Empty means any.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          },
          {
            "name": "If-Match",
            "in": "header",
            "description": "Stands for etag; one of a list is enough, and an asterisk means any.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}:pin": {
      "post": {
        "operationId": "MemoryService_PinObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Makes an object resident and fixes its extents until it is unpinned as often",
        "description": "Makes an object resident and fixes its extents until it is unpinned as often.\n\nNeeds: an ACTIVE device. Success: RESIDENT in `region` or in the first of its regions, pinCount one higher.\nFailure: RESOURCE_EXHAUSTED (REGION_FULL) when nothing more can be evicted, INVALID_ARGUMENT (INVALID_REGION),\nDATA_LOSS (CONTENT_UNKNOWN); pinCount stays.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          },
          {
            "name": "If-Match",
            "in": "header",
            "description": "Stands for etag; one of a list is enough, and an asterisk means any.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/PinObjectRequest"
              },
              "example": {
                "region": "lmem0"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A memory object: bytes with a name, and a place that may change.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}:unpin": {
      "post": {
        "operationId": "MemoryService_UnpinObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Takes one pin back",
        "description": "Takes one pin back.\n\nNeeds: an ACTIVE device, a pinned object. Success: pinCount one lower; at 0 the object may be evicted. Failure:\nFAILED_PRECONDITION (OBJECT_NOT_PINNED); nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          },
          {
            "name": "If-Match",
            "in": "header",
            "description": "Stands for etag; one of a list is enough, and an asterisk means any.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/UnpinObjectRequest"
              },
              "example": {
                "etag": "\"3\""
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A memory object: bytes with a name, and a place that may change.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}:move": {
      "post": {
        "operationId": "MemoryService_MoveObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Moves an object with its bytes to another of its regions",
        "description": "Moves an object with its bytes to another of its regions.\n\nNeeds: an ACTIVE device, an object that is not pinned, a region that it allows. Success: RESIDENT there. Failure:\nFAILED_PRECONDITION (OBJECT_PINNED), INVALID_ARGUMENT (INVALID_REGION), RESOURCE_EXHAUSTED (REGION_FULL); the\nobject stays where it was.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          },
          {
            "name": "If-Match",
            "in": "header",
            "description": "Stands for etag; one of a list is enough, and an asterisk means any.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/MoveObjectRequest"
              },
              "example": {
                "region": "smem"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A memory object: bytes with a name, and a place that may change.",
            "headers": {
              "ETag": {
                "description": "The etag of the answer.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}:advise": {
      "post": {
        "operationId": "MemoryService_AdviseObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Tells what is still needed of the content of an object, so that room can be made without copying it",
        "description": "Tells what is still needed of the content of an object, so that room can be made without copying it.\n\nNeeds: an ACTIVE device. Success: the advice holds until the next one. After DONT_NEED the object cannot be used, and\nits content may be thrown away whenever room is needed, at once when it is in no region; after WILL_NEED it can be\nused again if `retained` says that the content is still there. Failure: NOT_FOUND (OBJECT_NOT_FOUND),\nINVALID_ARGUMENT (INVALID_REQUEST) without an advice; nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          },
          {
            "name": "If-Match",
            "in": "header",
            "description": "Stands for etag; one of a list is enough, and an asterisk means any.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/AdviseObjectRequest"
              },
              "example": {
                "advice": "DONT_NEED"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Whether the content is still there.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/AdviseObjectResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects:batchCreate": {
      "post": {
        "operationId": "MemoryService_BatchCreateObjects",
        "tags": [
          "MemoryService"
        ],
        "summary": "Makes many objects like one template, all or none",
        "description": "Makes many objects like one template, all or none.\n\nNeeds: an ACTIVE device, a count from 1 to 10000. Success: `count` new UNPOPULATED objects. The answer names them and\nno more: 10000 whole objects would not fit the 4 MiB of one message; ListObjects shows them. Failure: as\nCreateObject, and INVALID_ARGUMENT (INVALID_REQUEST) for a count out of range; nothing is made.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/BatchCreateObjectsRequest"
              },
              "example": {
                "template": {
                  "size": "65536",
                  "regions": [
                    "lmem0",
                    "smem"
                  ],
                  "label": "page"
                },
                "count": 1000
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The objects that were made.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/BatchCreateObjectsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects:batchPin": {
      "post": {
        "operationId": "MemoryService_BatchPinObjects",
        "tags": [
          "MemoryService"
        ],
        "summary": "Pins many objects, all or none",
        "description": "Pins many objects, all or none.\n\nNeeds: an ACTIVE device, 1 to 10000 different objects of it. Success: as PinObject for each. Failure: as PinObject for\none of them, INVALID_ARGUMENT (INVALID_REQUEST) for an object named twice or of another device; no pinCount\nchanges, though some objects may have moved meanwhile.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/BatchPinObjectsRequest"
              },
              "example": {
                "names": [
                  "devices/card0/objects/1",
                  "devices/card0/objects/2"
                ],
                "region": "lmem0"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "All of them were pinned.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/BatchPinObjectsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects:batchUnpin": {
      "post": {
        "operationId": "MemoryService_BatchUnpinObjects",
        "tags": [
          "MemoryService"
        ],
        "summary": "Takes one pin back from each of many objects, all or none",
        "description": "Takes one pin back from each of many objects, all or none.\n\nNeeds: an ACTIVE device, 1 to 10000 different pinned objects of it. Success: as UnpinObject for each. Failure:\nFAILED_PRECONDITION (OBJECT_NOT_PINNED) when one is not pinned, INVALID_ARGUMENT (INVALID_REQUEST) for an object\nnamed twice or of another device; nothing changes.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/BatchUnpinObjectsRequest"
              },
              "example": {
                "names": [
                  "devices/card0/objects/1",
                  "devices/card0/objects/2"
                ]
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "All of them were unpinned.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/BatchUnpinObjectsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects:batchDelete": {
      "post": {
        "operationId": "MemoryService_BatchDeleteObjects",
        "tags": [
          "MemoryService"
        ],
        "summary": "Deletes many objects, all or none",
        "description": "Deletes many objects, all or none.\n\nNeeds: an ACTIVE device, 1 to 10000 different objects of it, none of them pinned. Success: as DeleteObject for each.\nFailure: as DeleteObject for one of them, INVALID_ARGUMENT (INVALID_REQUEST) for an object named twice or of another\ndevice; nothing is deleted.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/BatchDeleteObjectsRequest"
              },
              "example": {
                "names": [
                  "devices/card0/objects/1",
                  "devices/card0/objects/2"
                ]
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/usage": {
      "get": {
        "operationId": "MemoryService_GetUsage",
        "tags": [
          "MemoryService"
        ],
        "summary": "Shows what the objects of clients take, by label",
        "description": "Shows what the objects of clients take, by label.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Objects that change while they are counted\ncount as they were or as they are. Failure: NOT_FOUND (DEVICE_NOT_FOUND).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          }
        ],
        "responses": {
          "200": {
            "description": "What the objects of clients take.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Usage"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}:checksum": {
      "post": {
        "operationId": "MemoryService_ChecksumObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Takes the CRC-32C and the SHA-256 of the present content",
        "description": "Takes the CRC-32C and the SHA-256 of the present content.\n\nNeeds: an ACTIVE device. Success: changes nothing but the object's place in the LRU. Failure: DATA_LOSS\n(CONTENT_UNKNOWN), FAILED_PRECONDITION (OBJECT_PURGED).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/ChecksumObjectRequest"
              },
              "example": {
                "holdDuringTransition": true
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The checksums of an object.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ChecksumObjectResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}/objects/{object}/content": {
      "get": {
        "operationId": "MemoryService_ReadObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Streams the content of an object, or a range of it",
        "description": "Streams the content of an object, or a range of it.\n\nOver REST this is GET with Range, answered as application/octet-stream. Needs: an ACTIVE device; once the stream is\nopen it pauses between chunks while the device sleeps. Success: changes nothing but the object's place in the LRU.\nA write at the same time may show in some chunks and not in others. Failure: INVALID_ARGUMENT (INVALID_RANGE),\nDATA_LOSS (CONTENT_UNKNOWN), FAILED_PRECONDITION (OBJECT_PURGED).",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "holdDuringTransition",
            "in": "query",
            "description": "Wait for the end of a running transition instead of failing.",
            "schema": {
              "type": "boolean"
            }
          },
          {
            "name": "Range",
            "in": "header",
            "description": "One range of bytes.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "The whole content.",
            "content": {
              "application/octet-stream": {
                "schema": {
                  "type": "string",
                  "format": "binary"
                }
              }
            }
          },
          "206": {
            "description": "The range that was asked for; Content-Range says which.",
            "content": {
              "application/octet-stream": {
                "schema": {
                  "type": "string",
                  "format": "binary"
                }
              }
            }
          },
          "416": {
            "description": "No byte of the object is in the range.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Error"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "put": {
        "operationId": "MemoryService_WriteObject",
        "tags": [
          "MemoryService"
        ],
        "summary": "Writes a stream of bytes into an object",
        "description": "Writes a stream of bytes into an object.\n\nOver REST this is PUT of application/octet-stream, with Content-Range for a part. Needs: an ACTIVE device; once the\nstream is open it pauses between chunks while the device sleeps. Success: exactly the declared bytes were written.\nFailure: INVALID_ARGUMENT (INVALID_RANGE) before the first byte when the declared size does not fit. A stream that\nbreaks later keeps the bytes that arrived, and ErrorInfo.metadata.bytesWritten says how many; no lock and no pin\nstays behind.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "object",
            "in": "path",
            "required": true,
            "description": "Id of the object: the part of its resource name after objects/.",
            "schema": {
              "type": "string"
            },
            "example": "1"
          },
          {
            "name": "holdDuringTransition",
            "in": "query",
            "description": "Wait for the end of a running transition instead of failing.",
            "schema": {
              "type": "boolean"
            }
          },
          {
            "name": "Content-Range",
            "in": "header",
            "description": "Where the bytes go, as bytes 0-99/*; without it they go to the start.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/octet-stream": {
              "schema": {
                "type": "string",
                "format": "binary"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "How much was written.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/WriteObjectResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}:snapshot": {
      "post": {
        "operationId": "SnapshotService_SnapshotDevice",
        "tags": [
          "SnapshotService"
        ],
        "summary": "Takes a snapshot of a device",
        "description": "Takes a snapshot of a device.\n\nNeeds: an ACTIVE device whose GT is not wedged; one that runtime PM has suspended is woken. Success: commands in progress have ended first, and\nthose that arrived meanwhile go on; the device is as before. Failure: DEADLINE_EXCEEDED (IDLE_TIMEOUT) when work still runs, and\nthe message says whose; ABORTED (SNAPSHOT_EXISTS) for an id that is taken; RESOURCE_EXHAUSTED (SNAPSHOT_MEMORY_EXHAUSTED,\nMACHINE_MEMORY_EXHAUSTED, LIMIT_EXCEEDED); INTERNAL (DEVICE_WEDGED); FAILED_PRECONDITION while the device sleeps. Nothing is kept of it.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/SnapshotDeviceRequest"
              },
              "example": {
                "snapshotId": "seeded",
                "labels": {
                  "suite": "ci"
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "A device as it was at one moment. It is kept in memory and ends with the daemon.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Snapshot"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/snapshots/{snapshot}": {
      "get": {
        "operationId": "SnapshotService_GetSnapshot",
        "tags": [
          "SnapshotService"
        ],
        "summary": "Shows one snapshot",
        "description": "Shows one snapshot.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: NOT_FOUND (SNAPSHOT_NOT_FOUND).",
        "parameters": [
          {
            "name": "snapshot",
            "in": "path",
            "required": true,
            "description": "Id of the snapshot: the part of its resource name after snapshots/.",
            "schema": {
              "type": "string"
            },
            "example": "seeded"
          }
        ],
        "responses": {
          "200": {
            "description": "A device as it was at one moment. It is kept in memory and ends with the daemon.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Snapshot"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      },
      "delete": {
        "operationId": "SnapshotService_DeleteSnapshot",
        "tags": [
          "SnapshotService"
        ],
        "summary": "Deletes a snapshot",
        "description": "Deletes a snapshot.\n\nNeeds: a snapshot from which no device is being restored. Success: bytes that no other snapshot shares are free. Failure:\nNOT_FOUND (SNAPSHOT_NOT_FOUND); FAILED_PRECONDITION (SNAPSHOT_IN_USE); nothing changes.",
        "parameters": [
          {
            "name": "snapshot",
            "in": "path",
            "required": true,
            "description": "Id of the snapshot: the part of its resource name after snapshots/.",
            "schema": {
              "type": "string"
            },
            "example": "seeded"
          },
          {
            "name": "requestId",
            "in": "query",
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/snapshots": {
      "get": {
        "operationId": "SnapshotService_ListSnapshots",
        "tags": [
          "SnapshotService"
        ],
        "summary": "Lists the snapshots of the daemon by id",
        "description": "Lists the snapshots of the daemon by id.\n\nNeeds: nothing; legal in every power state. Success: changes nothing. Failure: INVALID_ARGUMENT (INVALID_PAGE_TOKEN,\nINVALID_REQUEST) for a token that this method did not give out for this filter, and for a filter that is none.",
        "parameters": [
          {
            "name": "pageSize",
            "in": "query",
            "description": "Most snapshots in the answer; 0 means 100, at most 1000.",
            "schema": {
              "type": "integer",
              "format": "int32"
            }
          },
          {
            "name": "pageToken",
            "in": "query",
            "description": "From the last answer, with everything else unchanged; empty for the first page.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "filter",
            "in": "query",
            "description": "Only those for which all terms hold: device = card0 AND labels.suite = \"ci\". Empty means all.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "responses": {
          "200": {
            "description": "A page of snapshots.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ListSnapshotsResponse"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/v1/devices/{device}:restore": {
      "post": {
        "operationId": "SnapshotService_RestoreDevice",
        "tags": [
          "SnapshotService"
        ],
        "summary": "Makes a device what a snapshot says",
        "description": "Makes a device what a snapshot says.\n\nNeeds: an ACTIVE device; one of another name than the snapshot's must be empty, and have the same sizes and engines. Success: a\ntransition of kind RESTORE has ended with state SUCCEEDED, or runs, as `wait` says (REST: 202 and Location). All that the device had is gone,\nrunning work has failed, and its generation has risen. Failure: NOT_FOUND (SNAPSHOT_NOT_FOUND); FAILED_PRECONDITION (SNAPSHOT_INCOMPATIBLE,\nDEVICE_NOT_EMPTY) and while the device sleeps; ABORTED (TRANSITION_IN_PROGRESS); else the error that ended the transition: before the phase\n`discard` nothing has changed but the generation, and after it the device is ACTIVE, empty, and has a new uid.",
        "parameters": [
          {
            "name": "device",
            "in": "path",
            "required": true,
            "description": "Id of the device: the part of its resource name after devices/.",
            "schema": {
              "type": "string"
            },
            "example": "card0"
          },
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Stands for requestId.",
            "schema": {
              "type": "string",
              "format": "uuid"
            }
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/RestoreDeviceRequest"
              },
              "example": {
                "snapshot": "seeded"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "One move between power states: what was asked, what happened, and how it ended.",
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "202": {
            "description": "The transition is running.",
            "headers": {
              "Location": {
                "description": "Where to read the transition.",
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Transition"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/livez": {
      "get": {
        "operationId": "livez",
        "tags": [
          "Monitoring"
        ],
        "summary": "Whether the daemon runs",
        "description": "For machines: needs no credentials, and takes any Host.",
        "security": [],
        "responses": {
          "200": {
            "description": "Yes.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "type": "string"
                    }
                  }
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/readyz": {
      "get": {
        "operationId": "readyz",
        "tags": [
          "Monitoring"
        ],
        "summary": "Whether the daemon takes calls; a suspended device does not matter",
        "description": "For machines: needs no credentials, and takes any Host.",
        "security": [],
        "responses": {
          "200": {
            "description": "Yes.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "type": "string"
                    }
                  }
                }
              }
            }
          },
          "503": {
            "description": "No.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "type": "string"
                    }
                  }
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/healthz": {
      "get": {
        "operationId": "healthz",
        "tags": [
          "Monitoring"
        ],
        "summary": "The same as /readyz",
        "description": "For machines: needs no credentials, and takes any Host.",
        "security": [],
        "responses": {
          "200": {
            "description": "Yes.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "type": "string"
                    }
                  }
                }
              }
            }
          },
          "503": {
            "description": "No.",
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "type": "string"
                    }
                  }
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    },
    "/metrics": {
      "get": {
        "operationId": "metrics",
        "tags": [
          "Monitoring"
        ],
        "summary": "Metrics for Prometheus",
        "description": "Every metric of the daemon and its devices, as docs/metrics.md has them.",
        "responses": {
          "200": {
            "description": "The exposition format.",
            "content": {
              "text/plain": {}
            }
          },
          "default": {
            "$ref": "#/components/responses/Error"
          }
        }
      }
    }
  },
  "components": {
    "schemas": {
      "AdviseObjectRequest": {
        "type": "object",
        "description": "Tells what is still needed.",
        "properties": {
          "advice": {
            "description": "WILL_NEED or DONT_NEED.",
            "type": "string",
            "enum": [
              "ADVICE_UNSPECIFIED",
              "WILL_NEED",
              "DONT_NEED"
            ]
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "etag": {
            "description": "The etag that the object must have; ABORTED (ETAG_MISMATCH) otherwise. Empty means any.",
            "type": "string"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "AdviseObjectResponse": {
        "type": "object",
        "description": "Whether the content is still there.",
        "properties": {
          "retained": {
            "description": "False when it is gone for ever: the object is PURGED or UNKNOWN.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "ArmFailpointRequest": {
        "type": "object",
        "description": "Asks for a failpoint to be armed.",
        "properties": {
          "action": {
            "description": "What is to happen; must be set.",
            "type": "string",
            "enum": [
              "ACTION_UNSPECIFIED",
              "ERROR",
              "DELAY",
              "HANG",
              "CRASH",
              "PAUSE"
            ]
          },
          "device": {
            "description": "Resource name or id of the only device to arm it for; empty is all.",
            "type": "string"
          },
          "reason": {
            "description": "The reason of the error, one that a device gives (docs/errors.md); empty means COPY_FAILED.",
            "type": "string"
          },
          "delay": {
            "description": "How long DELAY waits, at most 600s.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "probability": {
            "description": "How likely each pass fires: above 0, at most 1; unset means 1.",
            "type": "number",
            "format": "double"
          },
          "count": {
            "description": "This many passes fire, then no more; 0 is no limit.",
            "type": "integer",
            "format": "int32"
          },
          "after": {
            "description": "The first passes are let through.",
            "type": "integer",
            "format": "int32"
          },
          "seed": {
            "description": "Where the sequence of random numbers begins.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "BatchCreateObjectsRequest": {
        "type": "object",
        "description": "Asks for many new objects of one kind.",
        "properties": {
          "template": {
            "description": "What each of them is to be.",
            "$ref": "#/components/schemas/ObjectTemplate"
          },
          "count": {
            "description": "How many, 1 to 10000.",
            "type": "integer",
            "format": "int32"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "BatchCreateObjectsResponse": {
        "type": "object",
        "description": "The objects that were made.",
        "properties": {
          "names": {
            "description": "Their resource names, by ascending id.",
            "type": "array",
            "items": {
              "type": "string"
            }
          }
        },
        "additionalProperties": false
      },
      "BatchDeleteObjectsRequest": {
        "type": "object",
        "description": "Asks for the end of many objects.",
        "properties": {
          "names": {
            "description": "Resource names of 1 to 10000 different objects of that device.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "BatchPinObjectsRequest": {
        "type": "object",
        "description": "Asks for a pin of each of many objects.",
        "properties": {
          "names": {
            "description": "Resource names of 1 to 10000 different objects of that device.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "region": {
            "description": "Id of the region to pin them in, one that each allows; empty means the first of each.",
            "type": "string"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "BatchPinObjectsResponse": {
        "type": "object",
        "description": "All of them were pinned.",
        "properties": {},
        "additionalProperties": false
      },
      "BatchUnpinObjectsRequest": {
        "type": "object",
        "description": "Asks to take a pin back from each of many objects.",
        "properties": {
          "names": {
            "description": "Resource names of 1 to 10000 different objects of that device.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "BatchUnpinObjectsResponse": {
        "type": "object",
        "description": "All of them were unpinned.",
        "properties": {},
        "additionalProperties": false
      },
      "Bookmark": {
        "type": "object",
        "description": "Nothing but the sequence.",
        "properties": {},
        "additionalProperties": false
      },
      "CancelTransitionRequest": {
        "type": "object",
        "description": "Asks for the end of a running suspend.",
        "properties": {
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ChecksumObjectRequest": {
        "type": "object",
        "description": "Asks for checksums.",
        "properties": {
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "ChecksumObjectResponse": {
        "type": "object",
        "description": "The checksums of an object.",
        "properties": {
          "crc32c": {
            "description": "CRC-32C (Castagnoli) of the content.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          },
          "sha256": {
            "description": "SHA-256 of the content, 64 lower-case hexadecimal digits.",
            "type": "string"
          },
          "size": {
            "description": "How many bytes were summed: the size of the object.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "Context": {
        "type": "object",
        "description": "A client's place on an engine: sixteen registers and a ring, in which its requests run one after the other.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/contexts/{context}.",
            "type": "string"
          },
          "engine": {
            "description": "Id of the engine that it runs on.",
            "type": "string"
          },
          "priority": {
            "description": "Who goes first.",
            "type": "string",
            "enum": [
              "PRIORITY_UNSPECIFIED",
              "LOW",
              "NORMAL",
              "HIGH"
            ]
          },
          "registers": {
            "description": "The sixteen registers as they were last saved, register 0 first; none before the first use, and none while the image\nis in no memory.",
            "type": "array",
            "items": {
              "type": "string",
              "format": "uint64"
            }
          },
          "image": {
            "description": "Resource name of the object that holds its registers while it does not run. It is the device's own.",
            "type": "string"
          },
          "ring": {
            "description": "Resource name of the object that holds its commands. It is the device's own.",
            "type": "string"
          },
          "pendingRequests": {
            "description": "Requests that wait or run.",
            "type": "integer",
            "format": "int32"
          },
          "hangs": {
            "description": "How often the engine had to be reset because of it.",
            "type": "integer",
            "format": "int32"
          },
          "banned": {
            "description": "Whether it hung the engine so often that it takes no work any more.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "ContextChanged": {
        "type": "object",
        "description": "A context hung its engine.",
        "properties": {
          "context": {
            "description": "The context as it is now.",
            "$ref": "#/components/schemas/Context"
          }
        },
        "additionalProperties": false
      },
      "ContextCreated": {
        "type": "object",
        "description": "A context was made.",
        "properties": {
          "context": {
            "description": "The context as it is now. Its registers and pending requests change with its work, which is not told.",
            "$ref": "#/components/schemas/Context"
          }
        },
        "additionalProperties": false
      },
      "ContextDeleted": {
        "type": "object",
        "description": "A context is gone.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/contexts/{context}.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "CreateContextRequest": {
        "type": "object",
        "description": "Asks for a new context.",
        "properties": {
          "engine": {
            "description": "Resource name or id of the engine to run on: rcs0.",
            "type": "string"
          },
          "priority": {
            "description": "Who goes first; unset means NORMAL.",
            "type": "string",
            "enum": [
              "PRIORITY_UNSPECIFIED",
              "LOW",
              "NORMAL",
              "HIGH"
            ]
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "CreateObjectRequest": {
        "type": "object",
        "description": "Asks for a new object.",
        "properties": {
          "size": {
            "description": "Size in bytes, at least 1.",
            "type": "string",
            "format": "int64"
          },
          "regions": {
            "description": "Ids of the regions where it may be, preferred first; none means lmem0, smem.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "flags": {
            "description": "How it is to be allocated and kept. USER and KERNEL cannot be asked for.",
            "type": "array",
            "items": {
              "type": "string",
              "enum": [
                "FLAG_UNSPECIFIED",
                "USER",
                "KERNEL",
                "CONTIGUOUS",
                "VOLATILE",
                "CPU_CLEAR",
                "PM_EARLY",
                "PM_VOLATILE",
                "GPU_ONLY",
                "CPU_ACCESS"
              ]
            }
          },
          "alignment": {
            "description": "Alignment of its extents in bytes, a power of two; 0 means the region's page.",
            "type": "string",
            "format": "int64"
          },
          "label": {
            "description": "Any text, for people.",
            "type": "string"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Device": {
        "type": "object",
        "description": "A virtual discrete GPU.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}.",
            "type": "string"
          },
          "uid": {
            "description": "Of the state of the device: lasts as long as its content, over suspends, images and restarts. Another one after a reset\nwith scope FACTORY, and at a start without an image.",
            "type": "string"
          },
          "model": {
            "description": "What kind of device this is.",
            "type": "string"
          },
          "powerState": {
            "description": "What the device as a whole is doing.",
            "type": "string",
            "enum": [
              "POWER_STATE_UNSPECIFIED",
              "ACTIVE",
              "SUSPENDING",
              "SUSPENDED",
              "RESUMING",
              "FAILED"
            ]
          },
          "sleepState": {
            "description": "The sleep state that the device is in, or is moving to or from; unspecified while ACTIVE.",
            "type": "string",
            "enum": [
              "SLEEP_STATE_UNSPECIFIED",
              "S2IDLE",
              "S3",
              "S4"
            ]
          },
          "dState": {
            "description": "The power state on the bus.",
            "type": "string",
            "enum": [
              "D_STATE_UNSPECIFIED",
              "D0",
              "D3HOT",
              "D3COLD"
            ]
          },
          "stateSince": {
            "description": "When powerState last changed.",
            "type": "string",
            "format": "date-time"
          },
          "wedged": {
            "description": "Whether the graphics engines are declared dead. A resume and ResetDevice clear it.",
            "type": "boolean"
          },
          "suspendCount": {
            "description": "How many suspends that were asked for reached power_off, those to S2IDLE among them; what the device does by itself is\ncounted by suspends of its runtimePm.",
            "type": "integer",
            "format": "int32"
          },
          "transition": {
            "description": "Resource name of the running transition, or of the last one; empty before the first.",
            "type": "string"
          },
          "regions": {
            "description": "Ids of the memory regions, local ones first: lmem0, smem.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "engines": {
            "description": "Ids of the engines: rcs0, ccs0, bcs0, vcs0.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "etag": {
            "description": "Changes whenever any of the others does.",
            "type": "string"
          },
          "image": {
            "description": "Resource name of the sealed hibernation image that holds its state: images/{image}. Empty when there is none.",
            "type": "string"
          },
          "generation": {
            "description": "Rises each time that an image of the state is claimed to be resumed from; 1 when the content began here.",
            "type": "string",
            "format": "int64"
          },
          "resumedFrom": {
            "description": "Resource name of the image that it was last resumed from: images/{image}. Empty when its content began here.",
            "type": "string"
          },
          "ownership": {
            "description": "Who owns its state.",
            "$ref": "#/components/schemas/Ownership"
          },
          "error": {
            "description": "Why nothing can be done with the device, though no transition says so: its card is lost (DEVICE_LOST), or could not\nbe woken by runtime PM. Unset otherwise.",
            "$ref": "#/components/schemas/DeviceError"
          },
          "pausedAt": {
            "description": "Resource name of the failpoint at which the device stands, because it is armed with PAUSE there: failpoints/{failpoint}.\nThe one that has waited longest, if there are several. Empty when nothing is paused.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "DeviceChanged": {
        "type": "object",
        "description": "The state of a device is another.",
        "properties": {
          "device": {
            "description": "The device as it is now.",
            "$ref": "#/components/schemas/Device"
          }
        },
        "additionalProperties": false
      },
      "DeviceError": {
        "type": "object",
        "description": "Why nothing can be done with it.",
        "properties": {
          "code": {
            "description": "The status code that belongs to the reason.",
            "type": "string",
            "enum": [
              "OK",
              "CANCELLED",
              "UNKNOWN",
              "INVALID_ARGUMENT",
              "DEADLINE_EXCEEDED",
              "NOT_FOUND",
              "ALREADY_EXISTS",
              "PERMISSION_DENIED",
              "UNAUTHENTICATED",
              "RESOURCE_EXHAUSTED",
              "FAILED_PRECONDITION",
              "ABORTED",
              "OUT_OF_RANGE",
              "UNIMPLEMENTED",
              "INTERNAL",
              "UNAVAILABLE",
              "DATA_LOSS"
            ]
          },
          "reason": {
            "description": "The reason, one of docs/errors.md.",
            "type": "string"
          },
          "message": {
            "description": "A whole sentence.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "DeviceRestored": {
        "type": "object",
        "description": "All objects and contexts of a device were replaced by those of a snapshot, without an event for each. If the restore failed half way, it has\nnone, and the TRANSITION_ENDED before this says so.",
        "properties": {
          "snapshot": {
            "description": "Resource name of the snapshot: snapshots/{snapshot}.",
            "type": "string"
          },
          "device": {
            "description": "The device after it.",
            "$ref": "#/components/schemas/Device"
          }
        },
        "additionalProperties": false
      },
      "Engine": {
        "type": "object",
        "description": "A part of the device that executes commands, one context at a time.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/engines/{engine}.",
            "type": "string"
          },
          "kind": {
            "description": "What it is for.",
            "type": "string",
            "enum": [
              "KIND_UNSPECIFIED",
              "RENDER",
              "COMPUTE",
              "COPY",
              "VIDEO"
            ]
          },
          "state": {
            "description": "What it is doing.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "IDLE",
              "RUNNING",
              "FAULTED",
              "HALTED"
            ]
          },
          "busyTime": {
            "description": "How long it has executed so far, the device's own work included.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "queueDepth": {
            "description": "Submissions that wait for it or run on it, the device's own included.",
            "type": "integer",
            "format": "int32"
          },
          "resets": {
            "description": "How often it had to be reset.",
            "type": "integer",
            "format": "int32"
          },
          "submittedJobs": {
            "description": "Requests of clients that were accepted for it.",
            "type": "string",
            "format": "int64"
          },
          "completedJobs": {
            "description": "Those of them that ended without an error.",
            "type": "string",
            "format": "int64"
          },
          "failedJobs": {
            "description": "Those of them that ended with an error.",
            "type": "string",
            "format": "int64"
          },
          "lastHang": {
            "description": "What it was doing when it last had to be reset; unset when it never had to be.",
            "$ref": "#/components/schemas/EngineHang"
          }
        },
        "additionalProperties": false
      },
      "EngineHang": {
        "type": "object",
        "description": "What an engine was doing when it had to be reset.",
        "properties": {
          "time": {
            "description": "When it was reset.",
            "type": "string",
            "format": "date-time"
          },
          "why": {
            "description": "Why it was reset.",
            "type": "string"
          },
          "context": {
            "description": "Resource name of the context whose work it was; empty for the device's own.",
            "type": "string"
          },
          "fence": {
            "description": "Resource name of the fence of that work; empty for the device's own.",
            "type": "string"
          },
          "ringHead": {
            "description": "Byte offset in the context's ring of the command that did not end.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "EngineReset": {
        "type": "object",
        "description": "An engine had to be reset.",
        "properties": {
          "engine": {
            "description": "Resource name: devices/{device}/engines/{engine}.",
            "type": "string"
          },
          "why": {
            "description": "Why it was reset.",
            "type": "string"
          },
          "context": {
            "description": "Resource name of the context whose work it was; empty for the device's own.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Event": {
        "type": "object",
        "description": "Something that happened.",
        "properties": {
          "sequence": {
            "description": "Its place among all events. It rises by one in a run of the daemon; each run begins at random, so that no place in one\nis taken for a place in another. 0 in the present state with which a stream may begin.",
            "type": "string",
            "format": "int64"
          },
          "time": {
            "description": "When it was told.",
            "type": "string",
            "format": "date-time"
          },
          "device": {
            "description": "Resource name of the device; empty in a bookmark.",
            "type": "string"
          },
          "type": {
            "description": "What happened: which of the following is set.",
            "type": "string",
            "enum": [
              "TYPE_UNSPECIFIED",
              "BOOKMARK",
              "DEVICE_CHANGED",
              "TRANSITION_STARTED",
              "PHASE_ENDED",
              "TRANSITION_ENDED",
              "OBJECTS_CREATED",
              "OBJECTS_CHANGED",
              "OBJECTS_DELETED",
              "CONTEXT_CREATED",
              "CONTEXT_CHANGED",
              "CONTEXT_DELETED",
              "ENGINE_RESET",
              "EVICTED",
              "FAILPOINT_HIT",
              "IMAGE_SEALED",
              "IMAGE_CONSUMED",
              "STREAM_RESTARTED",
              "DEVICE_RESTORED"
            ]
          },
          "bookmark": {
            "description": "For BOOKMARK.",
            "$ref": "#/components/schemas/Bookmark"
          },
          "deviceChanged": {
            "description": "For DEVICE_CHANGED.",
            "$ref": "#/components/schemas/DeviceChanged"
          },
          "transitionStarted": {
            "description": "For TRANSITION_STARTED.",
            "$ref": "#/components/schemas/TransitionStarted"
          },
          "phaseEnded": {
            "description": "For PHASE_ENDED.",
            "$ref": "#/components/schemas/PhaseEnded"
          },
          "transitionEnded": {
            "description": "For TRANSITION_ENDED.",
            "$ref": "#/components/schemas/TransitionEnded"
          },
          "objectsCreated": {
            "description": "For OBJECTS_CREATED.",
            "$ref": "#/components/schemas/ObjectsCreated"
          },
          "objectsChanged": {
            "description": "For OBJECTS_CHANGED.",
            "$ref": "#/components/schemas/ObjectsChanged"
          },
          "objectsDeleted": {
            "description": "For OBJECTS_DELETED.",
            "$ref": "#/components/schemas/ObjectsDeleted"
          },
          "contextCreated": {
            "description": "For CONTEXT_CREATED.",
            "$ref": "#/components/schemas/ContextCreated"
          },
          "contextChanged": {
            "description": "For CONTEXT_CHANGED.",
            "$ref": "#/components/schemas/ContextChanged"
          },
          "contextDeleted": {
            "description": "For CONTEXT_DELETED.",
            "$ref": "#/components/schemas/ContextDeleted"
          },
          "engineReset": {
            "description": "For ENGINE_RESET.",
            "$ref": "#/components/schemas/EngineReset"
          },
          "evicted": {
            "description": "For EVICTED.",
            "$ref": "#/components/schemas/Evicted"
          },
          "failpointHit": {
            "description": "For FAILPOINT_HIT.",
            "$ref": "#/components/schemas/FailpointHit"
          },
          "imageSealed": {
            "description": "For IMAGE_SEALED.",
            "$ref": "#/components/schemas/ImageSealed"
          },
          "imageConsumed": {
            "description": "For IMAGE_CONSUMED.",
            "$ref": "#/components/schemas/ImageConsumed"
          },
          "streamRestarted": {
            "description": "For STREAM_RESTARTED.",
            "$ref": "#/components/schemas/StreamRestarted"
          },
          "deviceRestored": {
            "description": "For DEVICE_RESTORED.",
            "$ref": "#/components/schemas/DeviceRestored"
          }
        },
        "additionalProperties": false
      },
      "EvictRegionRequest": {
        "type": "object",
        "description": "Asks for room in a local region.",
        "properties": {
          "bytes": {
            "description": "How many bytes to evict at least; unset means everything evictable.",
            "type": "string",
            "format": "int64"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "EvictRegionResponse": {
        "type": "object",
        "description": "What left the region.",
        "properties": {
          "objects": {
            "description": "Objects moved.",
            "type": "integer",
            "format": "int32"
          },
          "bytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "Evicted": {
        "type": "object",
        "description": "Objects left local memory, in one batch of copies.",
        "properties": {
          "cause": {
            "description": "For whom room was made.",
            "type": "string",
            "enum": [
              "CAUSE_UNSPECIFIED",
              "PRESSURE",
              "SUSPEND",
              "REQUEST"
            ]
          },
          "path": {
            "description": "Who copied: blitter or memcpy, as in the metrics.",
            "type": "string"
          },
          "objects": {
            "description": "Objects, the device's own included.",
            "type": "integer",
            "format": "int32"
          },
          "bytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "Failpoint": {
        "type": "object",
        "description": "A named place where things can be made to go wrong.",
        "properties": {
          "name": {
            "description": "Resource name: failpoints/{failpoint}.",
            "type": "string"
          },
          "description": {
            "description": "What passes here, and when.",
            "type": "string"
          },
          "action": {
            "description": "What happens to what passes; unset while it is disarmed, and so is what follows, but for hits.",
            "type": "string",
            "enum": [
              "ACTION_UNSPECIFIED",
              "ERROR",
              "DELAY",
              "HANG",
              "CRASH",
              "PAUSE"
            ]
          },
          "device": {
            "description": "Resource name of the only device that it is armed for; empty is all.",
            "type": "string"
          },
          "reason": {
            "description": "The reason of the error, one of docs/errors.md.",
            "type": "string"
          },
          "delay": {
            "description": "How long DELAY waits.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "probability": {
            "description": "How likely each pass fires: above 0, at most 1.",
            "type": "number",
            "format": "double"
          },
          "count": {
            "description": "This many passes fire, then no more; 0 is no limit.",
            "type": "integer",
            "format": "int32"
          },
          "after": {
            "description": "The first passes, which are let through.",
            "type": "integer",
            "format": "int32"
          },
          "seed": {
            "description": "Where the sequence of random numbers begins, so that a run can be repeated.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          },
          "hits": {
            "description": "How often it fired since the start of the daemon or the last reset.",
            "type": "string",
            "format": "int64"
          },
          "remaining": {
            "description": "How often it can fire yet; unset without a `count` and while it is disarmed.",
            "type": "integer",
            "format": "int32"
          },
          "spent": {
            "description": "Whether it is armed but has fired as often as it was to: nothing happens here any more until it is armed anew.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "FailpointHit": {
        "type": "object",
        "description": "A failpoint fired.",
        "properties": {
          "failpoint": {
            "description": "Resource name: failpoints/{failpoint}.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Fence": {
        "type": "object",
        "description": "Stands for one request from the moment it is accepted, and says how it ended.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/fences/{fence}.",
            "type": "string"
          },
          "engine": {
            "description": "Id of the engine that the request was submitted to.",
            "type": "string"
          },
          "context": {
            "description": "Resource name of its context, which may have been deleted since.",
            "type": "string"
          },
          "seqno": {
            "description": "Position of the request in its context, from 1.",
            "type": "string",
            "format": "int64"
          },
          "state": {
            "description": "How far the request is.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "PENDING",
              "SIGNALED",
              "FAILED"
            ]
          },
          "error": {
            "description": "Why it failed; unset otherwise.",
            "$ref": "#/components/schemas/FenceError"
          }
        },
        "additionalProperties": false
      },
      "FenceError": {
        "type": "object",
        "description": "Why a request failed.",
        "properties": {
          "code": {
            "description": "The status code that belongs to the reason.",
            "type": "string",
            "enum": [
              "OK",
              "CANCELLED",
              "UNKNOWN",
              "INVALID_ARGUMENT",
              "DEADLINE_EXCEEDED",
              "NOT_FOUND",
              "ALREADY_EXISTS",
              "PERMISSION_DENIED",
              "UNAUTHENTICATED",
              "RESOURCE_EXHAUSTED",
              "FAILED_PRECONDITION",
              "ABORTED",
              "OUT_OF_RANGE",
              "UNIMPLEMENTED",
              "INTERNAL",
              "UNAVAILABLE",
              "DATA_LOSS"
            ]
          },
          "reason": {
            "description": "The reason, one of docs/errors.md.",
            "type": "string"
          },
          "message": {
            "description": "A whole sentence.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Image": {
        "type": "object",
        "description": "What a device was when it was suspended to S4, or to hybrid S3: its memory, contexts and counters, in a file.",
        "properties": {
          "name": {
            "description": "Resource name: images/{image}.",
            "type": "string"
          },
          "device": {
            "description": "Resource name of the device that it is of, as it was called: devices/{device}. Whose it is deviceUid says.",
            "type": "string"
          },
          "state": {
            "description": "How far it is.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "SEALED",
              "CONSUMED",
              "CLAIMED",
              "UNREADABLE"
            ]
          },
          "createTime": {
            "description": "When it was begun.",
            "type": "string",
            "format": "date-time"
          },
          "sizeBytes": {
            "description": "Bytes of its file.",
            "type": "string",
            "format": "int64"
          },
          "formatVersion": {
            "description": "Version of its format, such as 1.0; empty when it cannot be read, and so is what follows, but for inUse.",
            "type": "string"
          },
          "hybrid": {
            "description": "Whether it was written by hybrid sleep.",
            "type": "boolean"
          },
          "codec": {
            "description": "How its content is compressed.",
            "type": "string",
            "enum": [
              "CODEC_UNSPECIFIED",
              "NONE",
              "ZSTD"
            ]
          },
          "objectCount": {
            "description": "Objects in it, backups and the device's own included.",
            "type": "integer",
            "format": "int32"
          },
          "contentBytes": {
            "description": "Bytes of their content, before compression.",
            "type": "string",
            "format": "int64"
          },
          "inUse": {
            "description": "Whether a device is suspended to it: it cannot be deleted.",
            "type": "boolean"
          },
          "deviceUid": {
            "description": "Uid of the state that it holds, which is that of the device; empty when it cannot be read.",
            "type": "string"
          },
          "generation": {
            "description": "Generation of that state; 0 in images of versions that had none.",
            "type": "string",
            "format": "int64"
          },
          "claimedBy": {
            "description": "Who restores it; unset unless it is CLAIMED.",
            "$ref": "#/components/schemas/Owner"
          },
          "consumedBy": {
            "description": "Who resumed from it, or gave it up; unset unless it is CONSUMED, and where an earlier version did that.",
            "$ref": "#/components/schemas/Owner"
          },
          "cause": {
            "description": "Who had the device hibernated.",
            "type": "string",
            "enum": [
              "CAUSE_UNSPECIFIED",
              "CLIENT",
              "SHUTDOWN"
            ]
          }
        },
        "additionalProperties": false
      },
      "ImageConsumed": {
        "type": "object",
        "description": "A device has resumed from a hibernation image, and no other will.",
        "properties": {
          "image": {
            "description": "Resource name: images/{image}.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ImageSealed": {
        "type": "object",
        "description": "A hibernation image is whole and durable: a device can resume from it.",
        "properties": {
          "image": {
            "description": "Resource name: images/{image}.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ListContextsResponse": {
        "type": "object",
        "description": "A page of the contexts of a device.",
        "properties": {
          "contexts": {
            "description": "The contexts, by ascending id.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Context"
            }
          },
          "nextPageToken": {
            "description": "Token of the next page; empty when this is the last.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ListDevicesResponse": {
        "type": "object",
        "description": "Every device of the daemon.",
        "properties": {
          "devices": {
            "description": "The devices, ordered by name.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Device"
            }
          }
        },
        "additionalProperties": false
      },
      "ListEnginesResponse": {
        "type": "object",
        "description": "The engines of a device.",
        "properties": {
          "engines": {
            "description": "The engines, in the order of the configuration.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Engine"
            }
          }
        },
        "additionalProperties": false
      },
      "ListFailpointsResponse": {
        "type": "object",
        "description": "The failpoints.",
        "properties": {
          "failpoints": {
            "description": "All that there are.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Failpoint"
            }
          }
        },
        "additionalProperties": false
      },
      "ListImagesResponse": {
        "type": "object",
        "description": "A page of the images.",
        "properties": {
          "images": {
            "description": "The images, by device, oldest first.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Image"
            }
          },
          "nextPageToken": {
            "description": "Token of the next page; empty when this is the last.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ListObjectsResponse": {
        "type": "object",
        "description": "A page of the objects of a device.",
        "properties": {
          "objects": {
            "description": "The objects, by ascending id.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Object"
            }
          },
          "nextPageToken": {
            "description": "Token of the next page; empty when this is the last.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ListRegionsResponse": {
        "type": "object",
        "description": "The regions of a device.",
        "properties": {
          "regions": {
            "description": "The regions, local ones first.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Region"
            }
          }
        },
        "additionalProperties": false
      },
      "ListSnapshotsResponse": {
        "type": "object",
        "description": "A page of snapshots.",
        "properties": {
          "snapshots": {
            "description": "By id.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Snapshot"
            }
          },
          "nextPageToken": {
            "description": "Where the next page begins; empty on the last.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ListTransitionsResponse": {
        "type": "object",
        "description": "A page of the transitions of a device.",
        "properties": {
          "transitions": {
            "description": "The transitions, newest first.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Transition"
            }
          },
          "nextPageToken": {
            "description": "Token of the next page; empty when this is the last.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "MoveObjectRequest": {
        "type": "object",
        "description": "Asks for a move.",
        "properties": {
          "region": {
            "description": "Id of the region to move to.",
            "type": "string"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "etag": {
            "description": "The etag that the object must have; ABORTED (ETAG_MISMATCH) otherwise. Empty means any.",
            "type": "string"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Object": {
        "type": "object",
        "description": "A memory object: bytes with a name, and a place that may change.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/objects/{object}. Ids of the device's own objects begin with k.",
            "type": "string"
          },
          "uid": {
            "description": "Unique among all objects that ever were.",
            "type": "string"
          },
          "size": {
            "description": "Size in bytes.",
            "type": "string",
            "format": "int64"
          },
          "label": {
            "description": "Any text, for people.",
            "type": "string"
          },
          "flags": {
            "description": "How it is allocated and kept.",
            "type": "array",
            "items": {
              "type": "string",
              "enum": [
                "FLAG_UNSPECIFIED",
                "USER",
                "KERNEL",
                "CONTIGUOUS",
                "VOLATILE",
                "CPU_CLEAR",
                "PM_EARLY",
                "PM_VOLATILE",
                "GPU_ONLY",
                "CPU_ACCESS"
              ]
            }
          },
          "regions": {
            "description": "Ids of the regions where it may be, preferred first.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "region": {
            "description": "Id of the region where it is now; empty when it is in none.",
            "type": "string"
          },
          "state": {
            "description": "Where its content is.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "UNPOPULATED",
              "RESIDENT",
              "SWAPPED",
              "PURGED",
              "UNKNOWN"
            ]
          },
          "extents": {
            "description": "Where in `region` it is, in the order of its bytes.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/ObjectExtent"
            }
          },
          "pinCount": {
            "description": "How often it is pinned.",
            "type": "integer",
            "format": "int32"
          },
          "active": {
            "description": "Whether work that uses it is under way.",
            "type": "boolean"
          },
          "evictable": {
            "description": "Whether it could be evicted now.",
            "type": "boolean"
          },
          "hasBackup": {
            "description": "Whether a backup of it exists: only between suspend and resume.",
            "type": "boolean"
          },
          "createTime": {
            "description": "When it was made.",
            "type": "string",
            "format": "date-time"
          },
          "etag": {
            "description": "Changes whenever placement, pins, state or backup change; not with content.",
            "type": "string"
          },
          "madvise": {
            "description": "What a client said of the content.",
            "type": "string",
            "enum": [
              "ADVICE_UNSPECIFIED",
              "WILL_NEED",
              "DONT_NEED"
            ]
          }
        },
        "additionalProperties": false
      },
      "ObjectExtent": {
        "type": "object",
        "description": "A run of bytes in a region.",
        "properties": {
          "offset": {
            "description": "Where it begins, in bytes from the start of the region.",
            "type": "string",
            "format": "int64"
          },
          "length": {
            "description": "How many bytes.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "ObjectTemplate": {
        "type": "object",
        "description": "What objects that are made together have in common; the same fields as of CreateObjectRequest.",
        "properties": {
          "size": {
            "description": "Size in bytes, at least 1.",
            "type": "string",
            "format": "int64"
          },
          "regions": {
            "description": "Ids of the regions where they may be, preferred first; none means lmem0, smem.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "flags": {
            "description": "How they are to be allocated and kept. USER and KERNEL cannot be asked for.",
            "type": "array",
            "items": {
              "type": "string",
              "enum": [
                "FLAG_UNSPECIFIED",
                "USER",
                "KERNEL",
                "CONTIGUOUS",
                "VOLATILE",
                "CPU_CLEAR",
                "PM_EARLY",
                "PM_VOLATILE",
                "GPU_ONLY",
                "CPU_ACCESS"
              ]
            }
          },
          "alignment": {
            "description": "Alignment of their extents in bytes, a power of two; 0 means the region's page.",
            "type": "string",
            "format": "int64"
          },
          "label": {
            "description": "Any text, for people.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ObjectsChanged": {
        "type": "object",
        "description": "Objects are otherwise than before.",
        "properties": {
          "objects": {
            "description": "The objects as they are now, at most 1000; those of clients only.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Object"
            }
          }
        },
        "additionalProperties": false
      },
      "ObjectsCreated": {
        "type": "object",
        "description": "Objects were made.",
        "properties": {
          "objects": {
            "description": "The objects as they are now, at most 1000; those of clients only.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Object"
            }
          }
        },
        "additionalProperties": false
      },
      "ObjectsDeleted": {
        "type": "object",
        "description": "Objects are gone.",
        "properties": {
          "names": {
            "description": "Resource names of the objects, at most 1000.",
            "type": "array",
            "items": {
              "type": "string"
            }
          }
        },
        "additionalProperties": false
      },
      "Owner": {
        "type": "object",
        "description": "A device that has a state or an image, in one run of a daemon.",
        "properties": {
          "incarnation": {
            "description": "Of the daemon: another one each time that it starts.",
            "type": "string"
          },
          "device": {
            "description": "Resource name of the device there: devices/{device}.",
            "type": "string"
          },
          "time": {
            "description": "Since when; unset where that is not known.",
            "type": "string",
            "format": "date-time"
          }
        },
        "additionalProperties": false
      },
      "Ownership": {
        "type": "object",
        "description": "Who owns the state of a device. There is one owner at a time, wherever images go.",
        "properties": {
          "state": {
            "description": "How it is owned.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "OWNED",
              "SLEEPING",
              "RESTORING",
              "IN_DOUBT",
              "LOST"
            ]
          },
          "owner": {
            "description": "Who has it; unset while nobody does, or nobody knows.",
            "$ref": "#/components/schemas/Owner"
          }
        },
        "additionalProperties": false
      },
      "PhaseEnded": {
        "type": "object",
        "description": "A phase of a transition ended.",
        "properties": {
          "transition": {
            "description": "Resource name: devices/{device}/transitions/{transition}.",
            "type": "string"
          },
          "phase": {
            "description": "The phase, with its time and its bytes.",
            "$ref": "#/components/schemas/TransitionPhase"
          }
        },
        "additionalProperties": false
      },
      "PinObjectRequest": {
        "type": "object",
        "description": "Asks for a pin.",
        "properties": {
          "region": {
            "description": "Id of the region to pin it in, one that it allows; empty means its first.",
            "type": "string"
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "etag": {
            "description": "The etag that the object must have; ABORTED (ETAG_MISMATCH) otherwise. Empty means any.",
            "type": "string"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "PlanSuspendRequest": {
        "type": "object",
        "description": "Asks what a suspend would do.",
        "properties": {
          "state": {
            "description": "As of SuspendRequest: how deep to sleep; unset means S3.",
            "type": "string",
            "enum": [
              "SLEEP_STATE_UNSPECIFIED",
              "S2IDLE",
              "S3",
              "S4"
            ]
          },
          "idleTimeout": {
            "description": "How long to wait for the engines to idle; unset means 0.5s.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "onIdleTimeout": {
            "description": "What to do when that time has passed; unset means WEDGE.",
            "type": "string",
            "enum": [
              "IDLE_TIMEOUT_ACTION_UNSPECIFIED",
              "WEDGE",
              "ABORT"
            ]
          },
          "verify": {
            "description": "Whether checksums are to be taken.",
            "type": "boolean"
          },
          "hybrid": {
            "description": "Sleep as S3 says and write an image too. With S3 only.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "Region": {
        "type": "object",
        "description": "A region of a device's memory. All sizes are in bytes.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/regions/{region}.",
            "type": "string"
          },
          "kind": {
            "description": "What it is made of.",
            "type": "string",
            "enum": [
              "KIND_UNSPECIFIED",
              "LOCAL",
              "SYSTEM",
              "STOLEN"
            ]
          },
          "size": {
            "description": "Its size.",
            "type": "string",
            "format": "int64"
          },
          "used": {
            "description": "Taken by objects and backups.",
            "type": "string",
            "format": "int64"
          },
          "available": {
            "description": "Free.",
            "type": "string",
            "format": "int64"
          },
          "pinned": {
            "description": "Taken by pinned objects.",
            "type": "string",
            "format": "int64"
          },
          "visible": {
            "description": "What the CPU can reach (small BAR); the whole size where there is no window.",
            "type": "string",
            "format": "int64"
          },
          "largestFreeBlock": {
            "description": "Largest block that a CONTIGUOUS object could get without eviction.",
            "type": "string",
            "format": "int64"
          },
          "objectCount": {
            "description": "Objects that have their bytes here, device-owned ones and backups included.",
            "type": "integer",
            "format": "int32"
          },
          "minPage": {
            "description": "Smallest unit of allocation.",
            "type": "string",
            "format": "int64"
          },
          "visibleAvailable": {
            "description": "Free of what the CPU can reach.",
            "type": "string",
            "format": "int64"
          },
          "backup": {
            "description": "Taken by backups: 0 on an ACTIVE device.",
            "type": "string",
            "format": "int64"
          },
          "pinnedObjectCount": {
            "description": "Those of the objects that are pinned.",
            "type": "integer",
            "format": "int32"
          },
          "held": {
            "description": "What of `used` has its content here now: 0 without power, that is in S3 and D3cold for local memory, and in S4 for\nsystem memory too, until a resume has ended. `used` is kept for the objects then.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "ResetDeviceRequest": {
        "type": "object",
        "description": "Asks for a reset of a device.",
        "properties": {
          "scope": {
            "description": "How much to reset; unset means GT.",
            "type": "string",
            "enum": [
              "SCOPE_UNSPECIFIED",
              "GT",
              "FACTORY"
            ]
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ResetEngineRequest": {
        "type": "object",
        "description": "Asks for a reset of an engine.",
        "properties": {
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ResetFailpointsRequest": {
        "type": "object",
        "description": "Asks for everything to be disarmed.",
        "properties": {
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "RestoreDeviceRequest": {
        "type": "object",
        "description": "Asks for a restore.",
        "properties": {
          "snapshot": {
            "description": "Resource name or id of the snapshot: snapshots/{snapshot}.",
            "type": "string"
          },
          "wait": {
            "description": "Answer after this time at the latest; 0s answers at once. Unset: when the transition has ended.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "ResumeRequest": {
        "type": "object",
        "description": "Asks for a resume.",
        "properties": {
          "verify": {
            "description": "Compare every object with the checksum taken at suspend; INVALID_ARGUMENT (INVALID_REQUEST) when the suspend was not\ntold to verify. An image that has no checksums is not compared.",
            "type": "boolean"
          },
          "wait": {
            "description": "Answer after this time at the latest; 0s answers at once. Unset: when the transition has ended.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "image": {
            "description": "Resource name or id of the image to resume from: images/{image}. Unset: the one that the device is suspended to.",
            "type": "string"
          },
          "allowDifferences": {
            "description": "Differences between the device of the image and this one that are accepted, by the names that the error\nIMAGE_INCOMPATIBLE gives them.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "validateOnly": {
            "description": "Run nothing: answer what the call would answer, or the error that can be known before.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "RuntimePm": {
        "type": "object",
        "description": "Runtime PM of a device: three settings, and how it stands.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/runtimePm.",
            "type": "string"
          },
          "enabled": {
            "description": "Whether the device suspends itself. Always set in answers.",
            "type": "boolean"
          },
          "autosuspendDelay": {
            "description": "How long nobody must use it before it does: 0s, as soon as nobody does, to one day. Always set in answers.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "d3coldThreshold": {
            "description": "D3cold, which loses local memory, is entered when less than this much of it is used, in bytes, else D3hot; 0 means\nD3hot always. Always set in answers.",
            "type": "string",
            "format": "int64"
          },
          "status": {
            "description": "Output only. What the device is doing for runtime PM.",
            "type": "string",
            "enum": [
              "STATUS_UNSPECIFIED",
              "ACTIVE",
              "SUSPENDING",
              "SUSPENDED",
              "RESUMING",
              "ERROR"
            ]
          },
          "usageCount": {
            "description": "Output only. What keeps it awake now: calls in progress, and 1 for work on the engines.",
            "type": "integer",
            "format": "int32"
          },
          "suspendedDuration": {
            "description": "Output only. How long it has slept since it was booted.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "suspends": {
            "description": "Output only. How often it fell asleep since it was booted.",
            "type": "string",
            "format": "int64"
          },
          "verify": {
            "description": "Whether D3cold takes a CRC-32C of every object and compares it after the device has woken, as Suspend.verify does. A\ndifference ends the wake-up with CHECKSUM_MISMATCH and leaves the device FAILED. Always set in answers.",
            "type": "boolean"
          }
        },
        "additionalProperties": false
      },
      "Snapshot": {
        "type": "object",
        "description": "A device as it was at one moment. It is kept in memory and ends with the daemon.",
        "properties": {
          "name": {
            "description": "Resource name: snapshots/{snapshot}.",
            "type": "string"
          },
          "device": {
            "description": "Resource name of the device that it is of: devices/{device}.",
            "type": "string"
          },
          "deviceUid": {
            "description": "Uid that the device had.",
            "type": "string"
          },
          "generation": {
            "description": "Generation that it had.",
            "type": "string",
            "format": "int64"
          },
          "labels": {
            "description": "What the caller wrote on it.",
            "type": "object",
            "additionalProperties": {
              "type": "string"
            }
          },
          "createTime": {
            "description": "When it was taken.",
            "type": "string",
            "format": "date-time"
          },
          "objectCount": {
            "description": "Clients' objects in it.",
            "type": "integer",
            "format": "int32"
          },
          "contextCount": {
            "description": "Contexts in it.",
            "type": "integer",
            "format": "int32"
          },
          "contentBytes": {
            "description": "Bytes of the objects whose content it holds.",
            "type": "string",
            "format": "int64"
          },
          "copiedBytes": {
            "description": "How many of these were copied for it; the others it shares with snapshots that were there.",
            "type": "string",
            "format": "int64"
          },
          "memoryBytes": {
            "description": "What it added to the memory of snapshots.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "SnapshotDeviceRequest": {
        "type": "object",
        "description": "Asks for a snapshot.",
        "properties": {
          "snapshotId": {
            "description": "Id of the snapshot: a lowercase letter, then up to 62 lowercase letters, digits and hyphens. Empty: the daemon chooses one.",
            "type": "string"
          },
          "labels": {
            "description": "To find it by: at most 64, each key and value of at most 63 characters.",
            "type": "object",
            "additionalProperties": {
              "type": "string"
            }
          },
          "idleTimeout": {
            "description": "How long work that runs may take to end, at most 10s; unset means 0.5s.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "StreamRestarted": {
        "type": "object",
        "description": "The first event of a stream over REST whose Last-Event-ID is not kept, or is of another run of the daemon.",
        "properties": {
          "afterSequence": {
            "description": "The sequence that the client wanted to go on after.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "SubmitWorkRequest": {
        "type": "object",
        "description": "Asks for work.",
        "properties": {
          "commands": {
            "description": "What to do, 1 to 10000 commands.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/WorkCommand"
            }
          },
          "waitFences": {
            "description": "Resource names or ids of at most 256 fences that must signal first; when one fails, so does this request.",
            "type": "array",
            "items": {
              "type": "string"
            }
          },
          "wait": {
            "description": "Answer when the work has ended, after this time at the latest; unset or 0s answers at once.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "SuspendPlan": {
        "type": "object",
        "description": "What a suspend would do if it began now.",
        "properties": {
          "feasible": {
            "description": "Whether nothing known would stop it.",
            "type": "boolean"
          },
          "blockers": {
            "description": "What would; empty when it is feasible.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/SuspendPlanBlocker"
            }
          },
          "evict": {
            "description": "Step 1: what is not pinned moves to system memory.",
            "$ref": "#/components/schemas/SuspendPlanShare"
          },
          "backupBlit": {
            "description": "Step 2: what is pinned and the copy engine backs up.",
            "$ref": "#/components/schemas/SuspendPlanShare"
          },
          "backupMemcpy": {
            "description": "Step 3: what is pinned and the CPU backs up, once the engines have stopped.",
            "$ref": "#/components/schemas/SuspendPlanShare"
          },
          "discard": {
            "description": "Content that is given up on purpose: pinned PM_VOLATILE objects, and those advised DONT_NEED.",
            "$ref": "#/components/schemas/SuspendPlanShare"
          },
          "systemMemoryRequired": {
            "description": "Bytes of system memory that the suspend takes.",
            "type": "string",
            "format": "int64"
          },
          "systemMemoryAvailable": {
            "description": "Bytes of system memory that are free.",
            "type": "string",
            "format": "int64"
          },
          "estimatedDuration": {
            "description": "The same as durationMax.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "imageBytesMax": {
            "description": "The most bytes that a hibernation image would take now.",
            "type": "string",
            "format": "int64"
          },
          "durationMin": {
            "description": "The least time that the suspend takes, by the brakes and by what this device's own suspends took.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "durationMax": {
            "description": "The most time that it takes. Work that runs now is waited for within the idle timeout, which is a part of this.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "unmeasured": {
            "description": "Kinds of work that no suspend of this device has measured yet, so that their times are guesses: verify,\nblitter, memcpy, image.",
            "type": "array",
            "items": {
              "type": "string"
            }
          }
        },
        "additionalProperties": false
      },
      "SuspendPlanBlocker": {
        "type": "object",
        "description": "Why the suspend would fail.",
        "properties": {
          "reason": {
            "description": "The reason of the error that it would end with, one of docs/errors.md.",
            "type": "string"
          },
          "message": {
            "description": "A whole sentence.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "SuspendPlanShare": {
        "type": "object",
        "description": "The part of local memory that goes one way.",
        "properties": {
          "objects": {
            "description": "Objects.",
            "type": "integer",
            "format": "int32"
          },
          "bytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "SuspendRequest": {
        "type": "object",
        "description": "Asks for a suspend.",
        "properties": {
          "state": {
            "description": "How deep to sleep; unset means S3.",
            "type": "string",
            "enum": [
              "SLEEP_STATE_UNSPECIFIED",
              "S2IDLE",
              "S3",
              "S4"
            ]
          },
          "idleTimeout": {
            "description": "How long to wait for the engines to idle; unset means 0.5s.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "onIdleTimeout": {
            "description": "What to do when that time has passed; unset means WEDGE.",
            "type": "string",
            "enum": [
              "IDLE_TIMEOUT_ACTION_UNSPECIFIED",
              "WEDGE",
              "ABORT"
            ]
          },
          "verify": {
            "description": "Take a checksum of every object before and compare after resume.",
            "type": "boolean"
          },
          "wait": {
            "description": "Answer after this time at the latest; 0s answers at once. Unset: when the transition has ended.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "hybrid": {
            "description": "Sleep as S3 says and write an image too, as S4 does: resume is fast, and a daemon that ends meanwhile comes back\nfrom the image. With S3 only.",
            "type": "boolean"
          },
          "validateOnly": {
            "description": "Run nothing: answer what the call would answer, or the error that can be known before.",
            "type": "boolean"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Transition": {
        "type": "object",
        "description": "One move between power states: what was asked, what happened, and how it ended.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/transitions/{transition}. Empty where a request was only validated.",
            "type": "string"
          },
          "kind": {
            "description": "Where it leads.",
            "type": "string",
            "enum": [
              "KIND_UNSPECIFIED",
              "SUSPEND",
              "RESUME",
              "RUNTIME_SUSPEND",
              "RUNTIME_RESUME",
              "RESTORE"
            ]
          },
          "sleepState": {
            "description": "The sleep state that it leads to or from; unspecified for the runtime kinds.",
            "type": "string",
            "enum": [
              "SLEEP_STATE_UNSPECIFIED",
              "S2IDLE",
              "S3",
              "S4"
            ]
          },
          "state": {
            "description": "How far it is.",
            "type": "string",
            "enum": [
              "STATE_UNSPECIFIED",
              "RUNNING",
              "SUCCEEDED",
              "FAILED",
              "CANCELLED"
            ]
          },
          "alreadyInState": {
            "description": "Set on the answer to a call that found the device already there: nothing ran.",
            "type": "boolean"
          },
          "startTime": {
            "description": "When it began.",
            "type": "string",
            "format": "date-time"
          },
          "endTime": {
            "description": "When it ended; unset while RUNNING.",
            "type": "string",
            "format": "date-time"
          },
          "phases": {
            "description": "Its phases in the order in which they ran. While it runs the last one is under way, with what it has done so far.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/TransitionPhase"
            }
          },
          "evictedObjects": {
            "description": "Objects moved out of local memory without a backup.",
            "type": "integer",
            "format": "int32"
          },
          "evictedBytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          },
          "backupObjects": {
            "description": "Objects whose bytes were copied to a backup.",
            "type": "integer",
            "format": "int32"
          },
          "backupBytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          },
          "restoredObjects": {
            "description": "Objects whose bytes came back from a backup.",
            "type": "integer",
            "format": "int32"
          },
          "restoredBytes": {
            "description": "Their bytes.",
            "type": "string",
            "format": "int64"
          },
          "wedged": {
            "description": "Whether the graphics engines were declared dead by the time it ended.",
            "type": "boolean"
          },
          "recovered": {
            "description": "Whether a failure or cancel was undone: ACTIVE, or asleep as before, with every byte as before.",
            "type": "boolean"
          },
          "error": {
            "description": "Why it failed; unset otherwise.",
            "$ref": "#/components/schemas/TransitionError"
          },
          "dState": {
            "description": "The power state on the bus to which it leads: D3HOT keeps local memory, D3COLD loses it, D0 is awake.",
            "type": "string",
            "enum": [
              "D_STATE_UNSPECIFIED",
              "D0",
              "D3HOT",
              "D3COLD"
            ]
          }
        },
        "additionalProperties": false
      },
      "TransitionEnded": {
        "type": "object",
        "description": "A transition ended. All that it did to objects has been told before.",
        "properties": {
          "transition": {
            "description": "The transition with all its phases.",
            "$ref": "#/components/schemas/Transition"
          }
        },
        "additionalProperties": false
      },
      "TransitionError": {
        "type": "object",
        "description": "Why a transition failed.",
        "properties": {
          "code": {
            "description": "The status code that the call answers.",
            "type": "string",
            "enum": [
              "OK",
              "CANCELLED",
              "UNKNOWN",
              "INVALID_ARGUMENT",
              "DEADLINE_EXCEEDED",
              "NOT_FOUND",
              "ALREADY_EXISTS",
              "PERMISSION_DENIED",
              "UNAUTHENTICATED",
              "RESOURCE_EXHAUSTED",
              "FAILED_PRECONDITION",
              "ABORTED",
              "OUT_OF_RANGE",
              "UNIMPLEMENTED",
              "INTERNAL",
              "UNAVAILABLE",
              "DATA_LOSS"
            ]
          },
          "reason": {
            "description": "The reason, one of docs/errors.md.",
            "type": "string"
          },
          "message": {
            "description": "A whole sentence.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "TransitionPhase": {
        "type": "object",
        "description": "One phase of a transition, with its time and its bytes.",
        "properties": {
          "phase": {
            "description": "Which phase; the same word as the metric label, such as evict_pinned.",
            "type": "string"
          },
          "startTime": {
            "description": "When it began.",
            "type": "string",
            "format": "date-time"
          },
          "duration": {
            "description": "How long it took.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          },
          "objects": {
            "description": "Objects copied in this phase.",
            "type": "integer",
            "format": "int32"
          },
          "bytes": {
            "description": "Their bytes: blitterBytes + memcpyBytes.",
            "type": "string",
            "format": "int64"
          },
          "blitterBytes": {
            "description": "Bytes that the copy engine moved.",
            "type": "string",
            "format": "int64"
          },
          "memcpyBytes": {
            "description": "Bytes that the CPU moved.",
            "type": "string",
            "format": "int64"
          },
          "skippedVolatile": {
            "description": "Objects whose content was given up on purpose.",
            "type": "integer",
            "format": "int32"
          }
        },
        "additionalProperties": false
      },
      "TransitionStarted": {
        "type": "object",
        "description": "A suspend or a resume began.",
        "properties": {
          "transition": {
            "description": "The transition, RUNNING.",
            "$ref": "#/components/schemas/Transition"
          }
        },
        "additionalProperties": false
      },
      "UnpinObjectRequest": {
        "type": "object",
        "description": "Asks to take a pin back.",
        "properties": {
          "holdDuringTransition": {
            "description": "Wait for the end of a running transition instead of failing.",
            "type": "boolean"
          },
          "etag": {
            "description": "The etag that the object must have; ABORTED (ETAG_MISMATCH) otherwise. Empty means any.",
            "type": "string"
          },
          "requestId": {
            "description": "A UUID of the caller's choice: while it is remembered, a repetition of the call with the same id does nothing and is\nanswered as the first was (AIP-155). Empty means none.",
            "type": "string"
          }
        },
        "additionalProperties": false
      },
      "Usage": {
        "type": "object",
        "description": "What the objects of clients take.",
        "properties": {
          "name": {
            "description": "Resource name: devices/{device}/usage.",
            "type": "string"
          },
          "accounts": {
            "description": "An account for each label that an object has.",
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/UsageAccount"
            }
          }
        },
        "additionalProperties": false
      },
      "UsageAccount": {
        "type": "object",
        "description": "The objects of one label. All but `objects` are bytes; a pinned object counts where it is too.",
        "properties": {
          "label": {
            "description": "The label; objects beyond the first thousand labels are added up under `*`.",
            "type": "string"
          },
          "objects": {
            "description": "How many.",
            "type": "integer",
            "format": "int32"
          },
          "local": {
            "description": "In local memory.",
            "type": "string",
            "format": "int64"
          },
          "system": {
            "description": "In system memory.",
            "type": "string",
            "format": "int64"
          },
          "swapped": {
            "description": "In the swap file.",
            "type": "string",
            "format": "int64"
          },
          "pinned": {
            "description": "Of pinned objects.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "WaitFenceRequest": {
        "type": "object",
        "description": "Asks to wait for a fence.",
        "properties": {
          "timeout": {
            "description": "How long to wait at most: 0s only looks, unset means 3600s, which is the longest.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          }
        },
        "additionalProperties": false
      },
      "WorkCommand": {
        "type": "object",
        "description": "One command of a request. Offsets and lengths are bytes; objects are given by resource name or by bare id. The commands\nof a request take effect in their order. A dword is 32 bits, little-endian.",
        "properties": {
          "fill": {
            "description": "Writes a pattern over a range.",
            "$ref": "#/components/schemas/WorkCommandFill"
          },
          "copy": {
            "description": "Copies a range.",
            "$ref": "#/components/schemas/WorkCommandCopy"
          },
          "storeDword": {
            "description": "Stores a dword.",
            "$ref": "#/components/schemas/WorkCommandStoreDword"
          },
          "timestamp": {
            "description": "Stores the time.",
            "$ref": "#/components/schemas/WorkCommandTimestamp"
          },
          "waitSemaphore": {
            "description": "Waits until a dword has reached a value.",
            "$ref": "#/components/schemas/WorkCommandWaitSemaphore"
          },
          "loadRegister": {
            "description": "Loads a register.",
            "$ref": "#/components/schemas/WorkCommandLoadRegister"
          },
          "storeRegister": {
            "description": "Stores a register.",
            "$ref": "#/components/schemas/WorkCommandStoreRegister"
          },
          "xor": {
            "description": "Exclusive or of every dword of a range with `value`.",
            "$ref": "#/components/schemas/WorkCommandArithmetic"
          },
          "add": {
            "description": "Adds `value` to every dword of a range, modulo 2^32.",
            "$ref": "#/components/schemas/WorkCommandArithmetic"
          },
          "checksum": {
            "description": "Takes the CRC-32C of a range.",
            "$ref": "#/components/schemas/WorkCommandChecksum"
          },
          "spin": {
            "description": "Keeps the engine busy.",
            "$ref": "#/components/schemas/WorkCommandSpin"
          },
          "hang": {
            "description": "Never ends.",
            "$ref": "#/components/schemas/WorkCommandHang"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandArithmetic": {
        "type": "object",
        "description": "Changes every dword of a range by one value.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where the range begins, a multiple of 4.",
            "type": "string",
            "format": "int64"
          },
          "length": {
            "description": "How many bytes, a multiple of 4.",
            "type": "string",
            "format": "int64"
          },
          "value": {
            "description": "The other operand.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          }
        },
        "additionalProperties": false
      },
      "WorkCommandChecksum": {
        "type": "object",
        "description": "Takes the CRC-32C (Castagnoli) of a range and stores it as a dword.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object that is read.",
            "type": "string"
          },
          "offset": {
            "description": "Where the range begins.",
            "type": "string",
            "format": "int64"
          },
          "length": {
            "description": "How many bytes, at least 1.",
            "type": "string",
            "format": "int64"
          },
          "destination": {
            "description": "Resource name or id of the object that the checksum goes to.",
            "type": "string"
          },
          "destinationOffset": {
            "description": "Where in it, a multiple of 4.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandCopy": {
        "type": "object",
        "description": "Copies a range from one object to another, or within one when the ranges do not overlap.",
        "properties": {
          "source": {
            "description": "Resource name or id of the object that is read.",
            "type": "string"
          },
          "sourceOffset": {
            "description": "Where the range that is read begins.",
            "type": "string",
            "format": "int64"
          },
          "destination": {
            "description": "Resource name or id of the object that is written.",
            "type": "string"
          },
          "destinationOffset": {
            "description": "Where the range that is written begins.",
            "type": "string",
            "format": "int64"
          },
          "length": {
            "description": "How many bytes, at least 1.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandFill": {
        "type": "object",
        "description": "Writes a pattern over a range.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where the range begins, a multiple of 4.",
            "type": "string",
            "format": "int64"
          },
          "length": {
            "description": "How many bytes, at least 1.",
            "type": "string",
            "format": "int64"
          },
          "pattern": {
            "description": "The dword that is repeated; the last one is cut off where the range ends.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          }
        },
        "additionalProperties": false
      },
      "WorkCommandHang": {
        "type": "object",
        "description": "Never ends: for rehearsing hangs.",
        "properties": {},
        "additionalProperties": false
      },
      "WorkCommandLoadRegister": {
        "type": "object",
        "description": "Loads a register of the context.",
        "properties": {
          "register": {
            "description": "Number of the register, 0 to 15.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          },
          "value": {
            "description": "What to load.",
            "type": "string",
            "format": "uint64"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandSpin": {
        "type": "object",
        "description": "Keeps the engine busy for a time; it lets go when something more urgent comes.",
        "properties": {
          "duration": {
            "description": "For how long, at most 3600s.",
            "type": "string",
            "pattern": "^-?\\d+(\\.\\d{1,9})?s$",
            "examples": [
              "1.5s"
            ]
          }
        },
        "additionalProperties": false
      },
      "WorkCommandStoreDword": {
        "type": "object",
        "description": "Stores a dword.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where in it, a multiple of 4.",
            "type": "string",
            "format": "int64"
          },
          "value": {
            "description": "The dword.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          }
        },
        "additionalProperties": false
      },
      "WorkCommandStoreRegister": {
        "type": "object",
        "description": "Stores a register of the context, 64 bits little-endian.",
        "properties": {
          "register": {
            "description": "Number of the register, 0 to 15.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          },
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where in it, a multiple of 8.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandTimestamp": {
        "type": "object",
        "description": "Stores the engine's time in nanoseconds, 64 bits little-endian.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where in it, a multiple of 8.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "WorkCommandWaitSemaphore": {
        "type": "object",
        "description": "Waits until a dword is at least `value`, unsigned. Other contexts may run meanwhile; a wait that no one ends is a hang.",
        "properties": {
          "object": {
            "description": "Resource name or id of the object.",
            "type": "string"
          },
          "offset": {
            "description": "Where in it, a multiple of 4.",
            "type": "string",
            "format": "int64"
          },
          "value": {
            "description": "What the dword has to reach.",
            "type": "integer",
            "format": "uint32",
            "minimum": 0
          }
        },
        "additionalProperties": false
      },
      "WriteObjectResponse": {
        "type": "object",
        "description": "How much was written.",
        "properties": {
          "bytesWritten": {
            "description": "Bytes written.",
            "type": "string",
            "format": "int64"
          }
        },
        "additionalProperties": false
      },
      "Error": {
        "type": "object",
        "description": "A failure. docs/errors.md lists every reason.",
        "properties": {
          "error": {
            "type": "object",
            "properties": {
              "code": {
                "type": "integer",
                "description": "The HTTP status."
              },
              "status": {
                "type": "string",
                "description": "The name of the google.rpc.Code."
              },
              "message": {
                "type": "string",
                "description": "A whole sentence."
              },
              "details": {
                "type": "array",
                "description": "One google.rpc.ErrorInfo; with UNAVAILABLE a google.rpc.RetryInfo too.",
                "items": {
                  "type": "object",
                  "properties": {
                    "@type": {
                      "type": "string"
                    }
                  },
                  "required": [
                    "@type"
                  ]
                }
              }
            },
            "required": [
              "code",
              "status",
              "message",
              "details"
            ]
          }
        },
        "required": [
          "error"
        ]
      }
    },
    "responses": {
      "Error": {
        "description": "A failure.",
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            }
          }
        }
      }
    },
    "securitySchemes": {
      "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, where the daemon has a tokens file."
      },
      "certificate": {
        "type": "mutualTLS",
        "description": "A client certificate, where the daemon asks for one; a token may say more closely who calls."
      }
    }
  }
};
