"""One function builds all use cases: production, tests and other hosts are put together by it."""

from application import (
    administration,
    answer_reading,
    api_keys,
    asking,
    auditing,
    authentication,
    building,
    collection_access,
    conversation_export,
    conversations,
    deleting,
    document_contents,
    documents,
    erasure,
    feedback,
    index_changes,
    indexing,
    ingestion,
    invitations,
    job_handling,
    joining,
    knowledge,
    local,
    login_sessions,
    maintenance,
    members,
    reconciling,
    reindexing,
    rooms,
    rooms_access,
    rooms_answers,
    rooms_chronicle,
    rooms_documents,
    rooms_events,
    rooms_feed,
    rooms_publishing,
    rooms_retention,
    rooms_sweep,
    tickets,
    uploads,
    usage,
    workspace_erasure,
    workspaces,
)
from application.access_memory import AccessMemory
from application.answer_runs import AnswerRuns
from application.answering import WriteAnswer
from application.conversation_access import ConversationAccess
from application.generations import Generations
from application.idempotency import Idempotency
from application.list_memory import ListMemory
from application.lost_answers import EndLostAnswers
from application.sources import FindSources
from application.use_cases import Policy, Ports, UseCases
from application.usual_languages import UsualLanguages


def assemble(ports: Ports, policy: Policy) -> UseCases:
    """All use cases on these ports: production, tests and other hosts are built by this one function."""
    begin, clock, ids, changes = ports.begin, ports.clock, ports.ids, ports.changes
    memory = AccessMemory(changes)
    create_user = authentication.CreateUser(
        begin=begin, passwords=ports.passwords, tokens=ports.tokens, clock=clock, ids=ids
    )
    enter_workspace = authentication.EnterWorkspace(begin=begin, memory=memory)
    generations = Generations(begin, ports.indexes)
    search = knowledge.SearchPassages(
        begin=begin,
        generations=generations,
        languages=ports.languages,
        usual_languages=UsualLanguages(begin),
        log=ports.log,
        reranker=ports.reranker,
    )
    access = ConversationAccess((rooms_answers.is_theirs,))
    record = rooms_events.RecordEvent(bus=ports.live, clock=clock, log=ports.log)
    chronicle = rooms_chronicle.RoomChronicle(record=record)
    runs = AnswerRuns(begin=begin, log=ports.run_log, report=ports.log)
    write = WriteAnswer(
        begin=begin,
        chronicle=chronicle,
        find=FindSources(begin=begin, search=search),
        model=ports.model,
        clock=clock,
        log=ports.log,
        max_tokens=policy.max_answer_tokens,
        timeout=policy.answer_timeout,
    )
    start = conversations.StartConversation(begin=begin, clock=clock, ids=ids)
    begin_answer = asking.BeginAnswer(
        write=write, runs=runs, chronicle=chronicle, limits=policy.answer_limits, clock=clock, ids=ids
    )
    post = asking.PostMessage(begin=begin, begin_answer=begin_answer, access=access, clock=clock, ids=ids)
    authenticate = authentication.Authenticate(begin=begin, tokens=ports.tokens, memory=memory, clock=clock)
    redeem = tickets.RedeemTicket(begin=begin, tickets=ports.tickets, tokens=ports.tokens, clock=clock)
    sweep = rooms_sweep.SweepRooms(begin=begin, bus=ports.live, clock=clock, log=ports.log)
    reconcile = reconciling.Reconcile(
        begin=begin, files=ports.files, generations=generations, clock=clock, log=ports.log
    )
    read = answer_reading.ReadAnswer(begin=begin, runs=runs, log=ports.run_log, access=access)
    feeds = rooms_feed.RoomFeeds(bus=ports.live, begin=begin, read=read, log=ports.log)
    cancel = asking.CancelAnswer(begin=begin, runs=runs, access=access)
    erase = erasure.Erase(begin=begin, files=ports.files, generations=generations, clock=clock)
    read_document = indexing.ReadDocument(files=ports.files, parser=ports.parser, languages=ports.languages)
    return UseCases(
        create_user=create_user,
        register=authentication.Register(
            begin=begin, create_user=create_user, tokens=ports.tokens, clock=clock, mode=policy.registration
        ),
        log_in=login_sessions.LogIn(
            begin=begin,
            passwords=ports.passwords,
            tokens=ports.tokens,
            clock=clock,
            ids=ids,
            access_ttl=policy.access_ttl,
            refresh_ttl=policy.refresh_ttl,
        ),
        refresh_session=login_sessions.RefreshSession(
            begin=begin,
            tokens=ports.tokens,
            changes=changes,
            clock=clock,
            access_ttl=policy.access_ttl,
            refresh_ttl=policy.refresh_ttl,
        ),
        log_out=login_sessions.LogOut(begin=begin, tokens=ports.tokens, changes=changes, clock=clock),
        list_sessions=login_sessions.ListSessions(begin=begin, clock=clock),
        show_session=login_sessions.ShowSession(begin=begin, clock=clock),
        revoke_session=login_sessions.RevokeSession(begin=begin, changes=changes, clock=clock),
        forget_sessions=login_sessions.ForgetSessions(begin=begin, clock=clock, refresh_ttl=policy.refresh_ttl),
        change_password=login_sessions.ChangePassword(
            begin=begin, passwords=ports.passwords, changes=changes, clock=clock
        ),
        authenticate=authenticate,
        enter_workspace=enter_workspace,
        show_profile=authentication.ShowProfile(begin=begin, memory=memory),
        act_locally=local.ActLocally(begin=begin, create_user=create_user, enter=enter_workspace),
        issue_ticket=tickets.IssueTicket(tickets=ports.tickets, tokens=ports.tokens),
        redeem_ticket=redeem,
        create_api_key=api_keys.CreateApiKey(begin=begin, tokens=ports.tokens, clock=clock, ids=ids),
        list_api_keys=api_keys.ListApiKeys(begin=begin),
        show_api_key=api_keys.ShowApiKey(begin=begin),
        revoke_api_key=api_keys.RevokeApiKey(begin=begin, changes=changes),
        list_users=administration.ListUsers(begin=begin),
        set_password=administration.SetPassword(begin=begin, passwords=ports.passwords, changes=changes, clock=clock),
        disable_user=administration.DisableUser(begin=begin, changes=changes, clock=clock),
        set_role=administration.SetRole(begin=begin, changes=changes, clock=clock),
        create_workspace=workspaces.CreateWorkspace(begin=begin, changes=changes, clock=clock, ids=ids),
        show_workspace=workspaces.ShowWorkspace(begin=begin),
        rename_workspace=workspaces.RenameWorkspace(begin=begin, changes=changes),
        delete_workspace=joining.DeleteWorkspace(begin=begin, changes=changes, clock=clock),
        list_members=members.ListMembers(begin=begin),
        change_role=members.ChangeRole(begin=begin, changes=changes),
        remove_member=members.RemoveMember(begin=begin, changes=changes),
        invite=invitations.Invite(begin=begin, tokens=ports.tokens, clock=clock, ids=ids),
        list_invitations=invitations.ListInvitations(begin=begin),
        show_invitation=invitations.ShowInvitation(begin=begin),
        withdraw_invitation=invitations.WithdrawInvitation(begin=begin),
        accept_invitation=joining.AcceptInvitation(begin=begin, tokens=ports.tokens, changes=changes, clock=clock),
        create_collection=workspaces.CreateCollection(begin=begin, changes=changes, clock=clock, ids=ids),
        list_collections=workspaces.ListCollections(begin=begin),
        show_collection=workspaces.ShowCollection(begin=begin),
        find_collection=workspaces.FindCollection(begin=begin),
        change_collection=workspaces.ChangeCollection(begin=begin, changes=changes),
        delete_collection=deleting.DeleteCollection(begin=begin, clock=clock),
        list_reader=collection_access.ListReader(begin=begin, changes=changes),
        unlist_reader=collection_access.UnlistReader(begin=begin, changes=changes),
        upload_document=uploads.UploadDocument(
            begin=begin,
            files=ports.files,
            media_types=ports.media_types,
            clock=clock,
            ids=ids,
            max_bytes=policy.max_upload_bytes,
        ),
        revise_document=uploads.ReviseDocument(
            begin=begin,
            files=ports.files,
            media_types=ports.media_types,
            clock=clock,
            max_bytes=policy.max_upload_bytes,
        ),
        show_document=documents.ShowDocument(begin=begin),
        list_documents=documents.ListDocuments(begin=begin),
        change_document=documents.ChangeDocument(begin=begin, clock=clock),
        delete_document=deleting.DeleteDocument(begin=begin, clock=clock),
        show_erasure=erasure.ShowErasure(begin=begin),
        reindex_document=reindexing.ReindexDocument(begin=begin, clock=clock),
        reindex_all=reindexing.ReindexAll(begin=begin),
        download_original=document_contents.DownloadOriginal(begin=begin, files=ports.files),
        list_chunks=document_contents.ListChunks(begin=begin),
        show_page=document_contents.ShowPage(begin=begin),
        search=search,
        start_conversation=start,
        show_conversation=conversations.ShowConversation(begin=begin, access=access),
        change_conversation=conversations.ChangeConversation(begin=begin, access=access, clock=clock),
        delete_conversation=conversations.DeleteConversation(begin=begin, access=access),
        export_conversation=conversation_export.ExportConversation(begin=begin, access=access),
        list_conversations=conversations.ListConversations(begin=begin),
        list_messages=conversations.ListMessages(begin=begin, access=access),
        show_message=conversations.ShowMessage(begin=begin, access=access),
        post_message=post,
        read_answer=read,
        cancel_answer=cancel,
        idempotency=Idempotency(begin=begin, clock=clock, seal=ports.seal),
        show_audit_log=auditing.ShowAuditLog(begin=begin),
        regenerate_answer=asking.RegenerateAnswer(begin=begin, begin_answer=begin_answer, access=access),
        rate_answer=feedback.RateAnswer(begin=begin, access=access, clock=clock),
        ask=asking.Ask(start=start, post=post, read=read),
        show_usage=usage.ShowUsage(begin=begin, clock=clock, prices=policy.prices),
        create_room=rooms.CreateRoom(begin=begin, clock=clock, ids=ids),
        list_rooms=rooms.ListRooms(begin=begin),
        show_room=rooms.ShowRoom(begin=begin),
        change_room=rooms.ChangeRoom(begin=begin),
        delete_room=rooms.DeleteRoom(begin=begin),
        list_room_member=rooms.ListRoomMember(begin=begin, record=record, clock=clock, ids=ids),
        unlist_room_member=rooms.UnlistRoomMember(begin=begin, record=record, ids=ids),
        publish_event=rooms_events.PublishEvent(begin=begin, record=record),
        publish_together=rooms_publishing.PublishTogether(begin=begin, record=record),
        read_events=rooms_events.ReadEvents(begin=begin),
        ask_in_room=rooms_answers.AskInRoom(begin=begin, post=post, clock=clock),
        cancel_live=rooms_answers.CancelLive(begin=begin, enter_workspace=enter_workspace, cancel=cancel),
        identify_live=rooms_access.IdentifyLive(begin=begin, authenticate=authenticate, redeem=redeem),
        enter_room=rooms_access.EnterRoom(begin=begin, enter_workspace=enter_workspace),
        check_standing=rooms_access.CheckStanding(begin=begin, clock=clock),
        room_feeds=feeds,
        watch_rooms=rooms_sweep.WatchRooms(sweep=sweep, feeds=feeds, log=ports.log),
        presence=ports.presence,
        handle_job=job_handling.HandleJob(
            tell_rooms=rooms_documents.TellRooms(begin=begin, record=record),
            ingest=ingestion.Ingest(
                begin=begin,
                read=read_document,
                generations=generations,
                clock=clock,
                news=rooms_documents.ProgressInRooms(news=ports.news, begin=begin, bus=ports.live),
            ),
            build=building.Build(begin=begin, read=read_document, generations=generations),
            remove_old=ingestion.RemoveOld(begin=begin, files=ports.files, generations=generations),
            erase=erase,
            describe=ingestion.Describe(begin=begin, generations=generations),
            erase_workspace=workspace_erasure.EraseRemains(
                begin=begin, erase=erase, files=ports.files, generations=generations, clock=clock, log=ports.log
            ),
            reindex=reindexing.QueueReindex(begin=begin, clock=clock),
            reconcile=reconcile,
        ),
        requeue_unfinished=maintenance.RequeueUnfinished(begin=begin, clock=clock),
        schedule_reconciling=maintenance.ScheduleReconciling(begin=begin),
        reconcile_all=reconciling.ReconcileAll(begin=begin, reconcile=reconcile),
        generations=generations,
        want_index=index_changes.WantIndex(begin=begin, generations=generations, clock=clock, log=ports.log),
        change_index=index_changes.ChangeIndex(begin=begin, generations=generations, clock=clock, log=ports.log),
        show_index=index_changes.ShowIndex(begin=begin, generations=generations),
        lists=ListMemory(cache=ports.cache, begin=begin, ids=ids),
        document_news=ports.news,
        end_lost_answers=EndLostAnswers(
            begin=begin, log=ports.run_log, chronicle=chronicle, clock=clock, report=ports.log
        ),
        forget_room_events=rooms_retention.ForgetRoomEvents(begin=begin, clock=clock, kept=policy.room_retention),
        answer_runs=runs,
    )
